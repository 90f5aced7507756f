//! `condition`: a closure that is called inside the poll.

use super::*;

suite!(|fact| {
    let fact = fact.clone();
    condition(move || fact.ask())
});

#[test]
fn already_fired() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let run = tally.ready_at(1).cancelable(condition(|| true));
    assert!(block_on(run).unwrap_err().is_condition());
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn first_check_is_before_the_work() {
    let _watchdog = support::watchdog();
    let order = Mutex::new(Vec::new());
    let source = condition(|| {
        order.lock().unwrap().push("check");
        false
    });
    let work = async {
        order.lock().unwrap().push("work");
        7
    };
    assert_eq!(poll_once(pin!(work.cancelable(source))), Poll::Ready(Ok(7)));
    assert_eq!(*order.lock().unwrap(), ["check", "work"]);
}

#[test]
fn wakes_exactly_once() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let fact = Fact::new();
    let mut source = pin!(condition(|| fact.ask()).every(SHORT));
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    fact.come_true();
    clock.pass(SHORT);
    assert_eq!(wakes.poll(source), Poll::Ready(Reason::condition("condition", 2)));
    clock.pass(SHORT * 2);
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
}

#[test]
fn changed_waker() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut source = pin!(condition(|| false).every(SHORT));
    let (first, last) = (Wakes::new(), Wakes::new());
    assert!(first.poll(source.as_mut()).is_pending());
    assert!(last.poll(source.as_mut()).is_pending());
    clock.pass(SHORT * 3);
    assert_eq!((first.count(), last.count()), (0, 1));
    assert_eq!(Arc::strong_count(&first), 1);
}

#[test]
fn tie() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let fact = Fact::new();
    let source = condition(|| fact.ask()).every(SHORT);
    let mut run = pin!(Tally::new().ready_at(2).cancelable(source));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    fact.come_true();
    clock.pass(SHORT);
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
    // The second check came before the poll of the work, and the condition was true.
    assert_eq!(fact.asked(), 2);
}

#[test]
fn pause_starts_after_the_check() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let half = Duration::from_millis(50);
    let mut starts = Vec::new();
    let slow = condition(|| {
        starts.push(clock.now());
        clock.pass(half);
        starts.len() == 4
    });
    assert_eq!(clock.block_on(slow.every(half)), Reason::condition("condition", 4));
    for pair in starts.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(apart >= half * 2, "{apart:?}");
        // Finds only gross errors, because the machine may be busy.
        assert!(apart < Duration::from_secs(10), "{apart:?}");
    }
}

#[test]
fn default_pause_is_100_ms() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut ends = Vec::new();
    clock.block_on(condition(|| {
        ends.push(clock.now());
        ends.len() == 2
    }));
    let apart = ends[1] - ends[0];
    assert!(apart >= Duration::from_millis(100), "{apart:?}");
    assert!(apart < Duration::from_secs(10), "{apart:?}");
}

#[test]
fn panic_counts_as_false() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let heard = Heard::default();
    let source = condition(third_time_lucky()).every(TICK).on_panic(heard.hook());
    assert_eq!(clock.block_on(source), Reason::condition("condition", 3));
    assert_eq!(heard.words(), ["no disk", "still no disk at check 2"]);
}

#[test]
fn panic_without_a_hook_counts_as_false() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let source = condition(third_time_lucky()).every(TICK);
    assert_eq!(clock.block_on(source), Reason::condition("condition", 3));
}

#[test]
fn panic_does_not_end_the_operation() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let always = condition(|| panic!("no disk")).every(TICK);
    let work = async {
        timeout(TICK * 10).await;
        7
    };
    assert_eq!(clock.block_on(work.cancelable(always)), Ok(7));
}

#[test]
fn panic_in_the_hook_is_ignored() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let source = condition(third_time_lucky()).every(TICK).on_panic(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        panic!("the hook as well");
    });
    assert_eq!(clock.block_on(source), Reason::condition("condition", 3));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}
