//! `deadline`: a time limit at a given instant.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::source::Deadline;
use futures::future::FusedFuture;

use crate::support::{self, Clock, Tally, Wakes, block_on, poll_once};

/// Long enough that even a busy machine polls twice within it.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

fn soon() -> Deadline {
    deadline(Instant::now() + SHORT)
}

/// Waits until every limit of at most [`SHORT`] has fired.
fn let_time_pass() {
    block_on(deadline(Instant::now() + SHORT * 2));
}

#[cfg(feature = "testing")]
#[test]
fn text_is_rounded() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let text = |after: Duration| clock.block_on(deadline(clock.now() + after)).to_string();
    assert_eq!(text(Duration::ZERO), "deadline passed");
    assert_eq!(text(Duration::from_micros(64_908)), "deadline passed after 64ms");
    assert_eq!(text(Duration::from_millis(1550)), "deadline passed after 1.5s");
    assert_eq!(text(Duration::from_secs(185)), "deadline passed after 3m 05s");
    let named = deadline(clock.now() + Duration::from_secs(2)).named("job").because("too slow");
    let reason = clock.block_on(named);
    assert_eq!(reason.to_string(), "deadline passed after 2.0s (job): too slow");
    assert_ne!(reason, Reason::timeout(Duration::from_secs(2)));
}

#[test]
fn fires() {
    let _watchdog = support::watchdog();
    let at = Instant::now() + SHORT;
    block_on(deadline(at));
    assert!(Instant::now() >= at);
}

#[test]
#[should_panic(expected = "`Deadline` polled after completion")]
fn fires_once() {
    let _watchdog = support::watchdog();
    let mut source = pin!(deadline(Instant::now()));
    assert!(poll_once(source.as_mut()).is_ready());
    let _ = poll_once(source);
}

#[test]
fn reason() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let at = clock.now() + SHORT;
    clock.pass(SHORT / 2);
    let mut source = pin!(deadline(at));
    let before = clock.now();
    let polled = poll_once(source.as_mut());
    let reason = match polled {
        Poll::Ready(reason) => reason,
        Poll::Pending => clock.block_on(source),
    };
    // The length is the time from the first poll to the instant.
    let Reason::Timeout { after, .. } = reason else { panic!("{reason:?}") };
    assert!(after <= at.saturating_duration_since(before), "{after:?}");
    assert!(after <= SHORT / 2, "{after:?}");
    assert!(clock.now() >= at);
}

#[test]
fn reason_of_a_passed_deadline() {
    let _watchdog = support::watchdog();
    assert_eq!(block_on(deadline(Instant::now())), Reason::timeout(Duration::ZERO));
}

#[test]
fn already_fired() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let past = deadline(Instant::now());
    let cancelled = block_on(tally.ready_at(1).cancelable(past)).unwrap_err();
    assert!(cancelled.is_timeout());
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn pending_registers_waker() {
    let _watchdog = support::watchdog();
    let mut source = pin!(deadline(Instant::now() + LONG));
    let wakes = Wakes::new();
    for _ in 0..1000 {
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    assert_eq!((Arc::strong_count(&wakes), wakes.count()), (2, 0));
}

#[test]
fn wakes_exactly_once() {
    let _watchdog = support::watchdog();
    let mut source = pin!(soon());
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    wakes.wait(1);
    assert!(wakes.poll(source).is_ready());
    let_time_pass();
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
}

#[test]
fn changed_waker() {
    let _watchdog = support::watchdog();
    let mut source = pin!(soon());
    let (first, last) = (Wakes::new(), Wakes::new());
    assert!(first.poll(source.as_mut()).is_pending());
    assert!(last.poll(source.as_mut()).is_pending());
    last.wait(1);
    assert!(last.poll(source).is_ready());
    let_time_pass();
    assert_eq!((first.count(), last.count()), (0, 1));
    assert_eq!(Arc::strong_count(&first), 1);
}

#[test]
fn drop_deregisters() {
    let _watchdog = support::watchdog();
    let mut source = Box::pin(soon());
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    drop(source);
    assert_eq!(Arc::strong_count(&wakes), 1);
    let_time_pass();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn tie() {
    let _watchdog = support::watchdog();
    let mut run = pin!(Tally::new().ready_at(2).cancelable(soon()));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    wakes.wait(1);
    assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
}

#[test]
fn drops_work_once() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let mut run = Box::pin(tally.ready_at(0).cancelable(soon()));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    wakes.wait(1);
    assert_eq!(tally.drops(), 0);
    assert!(wakes.poll(run.as_mut()).is_ready());
    assert_eq!(tally.drops(), 1);
    drop(run);
    assert_eq!(tally.drops(), 1);
}

#[test]
fn never_polled_registers_nothing() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    // While the work is first polled, only this poll holds the waker.
    let seen = std::future::poll_fn(|_| Poll::Ready(Arc::strong_count(&wakes)));
    let mut run = pin!(seen.cancelable(deadline(Instant::now() + LONG)));
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(2)));
    assert_eq!(Arc::strong_count(&wakes), 1);
}

#[test]
fn probe_registers_nothing() {
    let _watchdog = support::watchdog();
    let limit = RefCell::new(Box::pin(deadline(Instant::now() + LONG)));
    let source = std::future::poll_fn(|cx| limit.borrow_mut().as_mut().poll(cx));
    // Polls the source in the state that it has while the work is first polled.
    let work = std::future::poll_fn(|_| Poll::Ready(format!("{:?}", limit.borrow())));
    let shown = block_on(work.cancelable(source)).unwrap();
    assert!(shown.contains("Running"), "{shown}");
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let mut source = pin!(deadline(Instant::now() + LONG));
    let shown = format!("{source:?}");
    assert!(shown.starts_with("Deadline") && shown.contains("Until"), "{shown}");
    assert!(poll_once(source.as_mut()).is_pending());
    assert!(format!("{source:?}").contains("Waiting"), "{source:?}");
}

#[test]
fn fused() {
    let _watchdog = support::watchdog();
    let mut source = pin!(soon());
    let wakes = Wakes::new();
    assert!(!source.is_terminated());
    assert!(wakes.poll(source.as_mut()).is_pending());
    assert!(!source.is_terminated());
    wakes.wait(1);
    assert!(wakes.poll(source.as_mut()).is_ready());
    assert!(source.is_terminated());
}

#[test]
fn in_the_past() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let at = clock.now();
    clock.pass(Duration::from_millis(5));
    assert_eq!(poll_once(pin!(deadline(at))), Poll::Ready(Reason::timeout(Duration::ZERO)));
}

#[test]
fn passed_before_the_first_poll() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    // A timeout would start only at this poll.
    let mut source = pin!(deadline(clock.now() + Duration::from_millis(5)));
    clock.pass(Duration::from_millis(10));
    assert!(poll_once(source.as_mut()).is_ready());
}

#[test]
fn far_future() {
    let _watchdog = support::watchdog();
    let years = |years: u64| Duration::from_secs(years * 365 * 24 * 3600);
    for length in [years(1), years(100), years(1_000), years(1_000_000)] {
        let Some(at) = Instant::now().checked_add(length) else { continue };
        let mut source = pin!(deadline(at));
        for _ in 0..3 {
            assert!(poll_once(source.as_mut()).is_pending(), "{length:?}");
        }
        assert!(!source.is_terminated());
    }
}

#[test]
fn new_one_has_the_same_end() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let at = clock.now() + SHORT;
    let mut fired = false;
    while !fired {
        // The source is dropped and created again in each turn. A timeout would never fire that way.
        fired = poll_once(pin!(deadline(at))).is_ready();
        assert!(!fired || clock.now() >= at);
        clock.pass(Duration::from_millis(1));
    }
}

#[test]
fn same_instant_wakes_each_once() {
    let _watchdog = support::watchdog();
    let at = Instant::now() + Duration::from_secs(1);
    let mut sources: Vec<_> = (0..1000).map(|_| Box::pin(deadline(at))).collect();
    let wakes: Vec<_> = (0..1000).map(|_| Wakes::new()).collect();
    for (source, wakes) in sources.iter_mut().zip(&wakes) {
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    for wakes in &wakes {
        wakes.wait(1);
    }
    assert!(Instant::now() >= at);
    for (source, wakes) in sources.iter_mut().zip(&wakes) {
        assert!(wakes.poll(source.as_mut()).is_ready());
    }
    let_time_pass();
    assert!(wakes.iter().all(|wakes| wakes.count() == 1));
}

#[test]
fn ten_thousand_expire_together() {
    let _watchdog = support::watchdog();
    let at = Instant::now() + Duration::from_millis(300);
    let mut sources: Vec<_> = (0..10_000).map(|_| Box::pin(deadline(at))).collect();
    let wakes = Wakes::new();
    let polled = sources.iter_mut().map(|source| wakes.poll(source.as_mut()));
    let pending = polled.filter(Poll::is_pending).count();
    wakes.wait(pending);
    let_time_pass();
    assert_eq!(wakes.count(), pending);
    assert!(pending > 0, "the machine took 300 ms to begin");
    assert_eq!(Arc::strong_count(&wakes), 1);
}

#[test]
fn polled_from_thread_to_thread() {
    let _watchdog = support::watchdog();
    let at = Instant::now() + Duration::from_secs(1);
    let mut source = Box::pin(deadline(at));
    let wakes: Vec<_> = (0..5).map(|_| Wakes::new()).collect();
    for wakes in &wakes {
        let wakes = wakes.clone();
        source = thread::spawn(move || {
            assert!(wakes.poll(source.as_mut()).is_pending());
            source
        })
        .join()
        .unwrap();
    }
    wakes[4].wait(1);
    assert!(Instant::now() >= at);
    assert!(poll_once(source.as_mut()).is_ready());
    let_time_pass();
    let counts: Vec<_> = wakes.iter().map(|wakes| wakes.count()).collect();
    assert_eq!(counts, [0, 0, 0, 0, 1]);
}
