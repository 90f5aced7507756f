//! `condition_async`: checks that await.

use super::*;

suite!(|fact| {
    let fact = fact.clone();
    condition_async(move || {
        let fact = fact.clone();
        async move { fact.ask() }
    })
});

/// A check that is true once the work of this tally has ended.
fn done(tally: &Arc<Tally>, ready_at: usize) -> impl Future<Output = bool> + use<> {
    let work = tally.ready_at(ready_at);
    async move { work.await > 0 }
}

#[test]
fn already_fired() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let run = tally.ready_at(1).cancelable(condition_async(|| async { true }));
    assert!(block_on(run).unwrap_err().is_condition());
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn first_check_is_before_the_work() {
    let _watchdog = support::watchdog();
    let order = Mutex::new(Vec::new());
    let source = condition_async(|| async {
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
    let token = CancellationToken::new();
    // The check itself is pending, and registers the waker of the condition.
    let mut source =
        pin!(condition_async(|| async { token.cancelled().await.message().is_none() }));
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    token.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(source).is_ready());
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
}

#[test]
fn changed_waker() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut source =
        pin!(condition_async(|| async { token.cancelled().await.message().is_none() }));
    let (first, last) = (Wakes::new(), Wakes::new());
    assert!(first.poll(source.as_mut()).is_pending());
    assert!(last.poll(source.as_mut()).is_pending());
    token.cancel();
    assert_eq!((first.count(), last.count()), (0, 1));
}

#[test]
fn tie() {
    let _watchdog = support::watchdog();
    let check = Tally::new();
    // The first call polls the source twice, to probe and to register. The check is true in the second of
    // these polls.
    let source = condition_async(|| done(&check, 3));
    let mut run = pin!(Tally::new().ready_at(2).cancelable(source));
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
    assert_eq!(check.polls(), 3);
}

#[test]
fn tie_in_the_first_call() {
    let _watchdog = support::watchdog();
    let check = Tally::new();
    // The check is true in the poll that registers. The work gets its last poll in the same call.
    let source = condition_async(|| done(&check, 2));
    assert_eq!(poll_once(pin!(Tally::new().ready_at(2).cancelable(source))), Poll::Ready(Ok(2)));
}

#[test]
fn pending_checks_do_not_pile_up() {
    let _watchdog = support::watchdog();
    let (check, mut started) = (Tally::new(), 0);
    let source = condition_async(|| {
        started += 1;
        done(&check, 100)
    });
    let mut source = pin!(source.every(TICK));
    for _ in 1..100 {
        assert!(poll_once(source.as_mut()).is_pending());
    }
    assert_eq!(poll_once(source), Poll::Ready(Reason::condition("condition", 1)));
    assert_eq!((started, check.polls(), check.drops()), (1, 100, 1));
}

#[test]
fn ended_check_is_dropped_before_the_pause() {
    let _watchdog = support::watchdog();
    let check = Tally::new();
    let false_at_once = || {
        let work = check.ready_at(1);
        async move { work.await == 0 }
    };
    let mut source = pin!(condition_async(false_at_once).every(LONG));
    assert!(poll_once(source.as_mut()).is_pending());
    assert_eq!((check.polls(), check.drops()), (1, 1));
}

#[test]
fn slow_check_is_dropped_at_the_end() {
    let _watchdog = support::watchdog();
    let (check, token) = (Tally::new(), CancellationToken::new());
    // The check is dropped when the race is cancelled.
    let sources = any_of((condition_async(|| done(&check, 0)), &token));
    let mut run = Box::pin(std::future::pending::<()>().cancelable(sources));
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(check.drops(), 0);
    token.cancel();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(check.drops(), 1);
    // It is dropped when the work returns a value.
    let source = condition_async(|| done(&check, 0));
    let mut run = Box::pin(Tally::new().ready_at(2).cancelable(source));
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(check.drops(), 2);
    // It is dropped with the race.
    let mut source = Box::pin(condition_async(|| done(&check, 0)));
    assert!(poll_once(source.as_mut()).is_pending());
    drop(source);
    assert_eq!(check.drops(), 3);
}

#[test]
fn slow_check_delays_the_next() {
    let _watchdog = support::watchdog();
    let half = Duration::from_millis(50);
    let starts = Mutex::new(Vec::new());
    let slow = condition_async(|| async {
        starts.lock().unwrap().push(Instant::now());
        timeout(half).await;
        starts.lock().unwrap().len() == 3
    });
    assert_eq!(block_on(slow.every(half)), Reason::condition("condition", 3));
    for pair in starts.lock().unwrap().windows(2) {
        assert!(pair[1] - pair[0] >= half * 2);
    }
}

#[test]
fn panic_counts_as_false() {
    let _watchdog = support::watchdog();
    let heard = Heard::default();
    let mut check = third_time_lucky();
    let source = condition_async(move || std::future::ready(check()));
    let source = source.every(TICK).on_panic(heard.hook());
    assert_eq!(block_on(source), Reason::condition("condition", 3));
    assert_eq!(heard.words(), ["no disk", "still no disk at check 2"]);
}

#[test]
fn panic_of_the_future_counts_as_false() {
    let _watchdog = support::watchdog();
    let heard = Heard::default();
    let check = Mutex::new(third_time_lucky());
    let source = condition_async(|| async { (check.lock().unwrap_or_else(|e| e.into_inner()))() });
    let source = source.every(TICK).on_panic(heard.hook());
    assert_eq!(block_on(source), Reason::condition("condition", 3));
    assert_eq!(heard.words(), ["no disk", "still no disk at check 2"]);
}

#[test]
fn panic_in_the_destructor_counts_as_false() {
    let _watchdog = support::watchdog();
    struct Hostile(bool);
    impl Drop for Hostile {
        fn drop(&mut self) {
            assert!(!self.0, "in the destructor");
        }
    }
    impl Future for Hostile {
        type Output = bool;
        fn poll(self: std::pin::Pin<&mut Self>, _cx: &mut std::task::Context<'_>) -> Poll<bool> {
            Poll::Ready(true)
        }
    }
    let (heard, mut first) = (Heard::default(), true);
    let source = condition_async(move || Hostile(std::mem::take(&mut first)));
    let source = source.every(TICK).on_panic(heard.hook());
    assert_eq!(block_on(source), Reason::condition("condition", 2));
    assert_eq!(heard.words(), ["in the destructor"]);
}

#[test]
fn panic_in_the_hook_is_ignored() {
    let _watchdog = support::watchdog();
    let mut check = third_time_lucky();
    let source = condition_async(move || std::future::ready(check()));
    let source = source.every(TICK).on_panic(|_| panic!("the hook as well"));
    assert_eq!(block_on(source), Reason::condition("condition", 3));
}
