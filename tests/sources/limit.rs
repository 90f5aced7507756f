//! `Limit`: a time limit that is moved while something waits for it.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::source::WaitForLimit;
use cancelable::{Limit, any_of};
use futures::future::FusedFuture;

use crate::support::{self, Clock, Wakes, block_on, poll_once};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// A source that has been polled once, and the count of its wake-ups.
fn waiting(limit: &Limit) -> (Pin<Box<WaitForLimit>>, Arc<Wakes>) {
    let (mut source, wakes) = (Box::pin(limit.reached()), Wakes::new());
    assert!(wakes.poll(source.as_mut()).is_pending());
    (source, wakes)
}

#[test]
fn fires_like_a_timeout() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let start = clock.now();
    assert_eq!(clock.block_on(Limit::after(MS * 7).reached()), Reason::timeout(MS * 7));
    clock.assert_passed(start, MS * 7);
}

/// The time before the first poll does not count.
#[test]
fn clock_starts_at_the_first_poll() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 40);
    clock.pass(MS * 50);
    assert_eq!(limit.remaining(), Some(MS * 40));
    assert!(limit.reset(), "this does not start it");
    clock.pass(MS * 50);
    let (mut source, wakes) = waiting(&limit);
    assert_eq!(wakes.count(), 0);
    clock.pass(MS * 40);
    assert!(wakes.poll(source.as_mut()).is_ready());
}

#[test]
fn zero_fires_at_once() {
    let _watchdog = support::watchdog();
    let tally = support::Tally::new();
    let run = tally.ready_at(1).cancelable(Limit::after(Duration::ZERO));
    assert!(block_on(run).unwrap_err().is_timeout());
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn overflow_never_fires() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(Duration::MAX);
    let (mut source, wakes) = waiting(&limit);
    assert_eq!(limit.remaining(), None);
    assert!(limit.extend(Duration::MAX) && limit.reset());
    clock.pass(MS * 5);
    assert!(wakes.poll(source.as_mut()).is_pending());
    assert_eq!(wakes.count(), 0);
    limit.set(clock.now());
    assert!(wakes.poll(source.as_mut()).is_ready());
}

/// The task is woken at the earlier end. Its source then finds the later end and continues to wait.
#[test]
fn g17_moved_limit_keeps_to_its_last_end() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 100);
    let (mut source, wakes) = waiting(&limit);
    clock.pass(MS * 60);
    let start = clock.now();
    assert!(limit.reset());
    assert_eq!(wakes.count(), 0, "a later end wakes no task");
    clock.pass(MS * 60);
    assert!(wakes.poll(source.as_mut()).is_pending(), "60 ms since the reset");
    assert_eq!(clock.block_on(source), Reason::timeout(MS * 100));
    clock.assert_passed(start, MS * 100);
}

/// However often the limit is moved to a later end, the task is woken only once for each end that it registers for.
#[cfg(feature = "testing")]
#[test]
fn g17_many_resets_wake_rarely() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 100);
    let (mut source, wakes) = waiting(&limit);
    for _ in 0..1000 {
        clock.pass(MS);
        assert!(limit.reset());
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    assert_eq!(wakes.count(), 10);
}

#[test]
fn extend_adds() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 20);
    assert!(limit.extend(MS * 30));
    let (_source, wakes) = waiting(&limit);
    assert!(limit.extend(MS * 50));
    let start = clock.now();
    assert_eq!(clock.block_on(limit.reached()), Reason::timeout(MS * 100));
    clock.assert_passed(start, MS * 100);
    assert!(wakes.count() > 0);
    assert!(!limit.extend(MS));
}

#[test]
fn g17_earlier_end_wakes() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(LONG);
    let (mut source, wakes) = waiting(&limit);
    assert!(limit.set(clock.now() + MS * 30));
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(source.as_mut()).is_pending());
    clock.pass(MS * 30);
    wakes.wait(2);
    assert!(wakes.poll(source.as_mut()).is_ready());
}

#[test]
fn past_end_fires_at_once() {
    let _watchdog = support::watchdog();
    let limit = Limit::after(LONG);
    let (mut source, wakes) = waiting(&limit);
    assert!(limit.set(Instant::now()));
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(source.as_mut()).is_ready());
}

#[test]
fn g17_disarmed_limit_does_not_fire() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 20);
    let (mut source, wakes) = waiting(&limit);
    assert!(limit.disarm());
    assert_eq!((wakes.count(), limit.remaining()), (0, None));
    clock.pass(MS * 50);
    assert!(wakes.poll(source.as_mut()).is_pending());
    assert!(limit.extend(MS), "it stays disarmed");
    assert_eq!(limit.remaining(), None);

    // The limit is armed again. That wakes the task, because it is not registered for any end.
    let before = wakes.count();
    assert!(limit.reset());
    assert_eq!(wakes.count(), before + 1);
    assert!(wakes.poll(source.as_mut()).is_pending());
    clock.pass(MS * 20);
    assert!(wakes.poll(source.as_mut()).is_ready());
}

#[test]
fn disarmed_before_the_first_poll() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS);
    limit.disarm();
    let (mut source, wakes) = waiting(&limit);
    clock.pass(MS * 5);
    assert_eq!(wakes.count(), 0);
    limit.set(clock.now() + MS);
    clock.pass(MS * 5);
    assert!(wakes.poll(source.as_mut()).is_ready());
}

#[test]
fn g17_limit_fires_once_for_all() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 10).named("shared");
    let sources = [(); 3].map(|()| waiting(&limit));
    clock.pass(MS * 10);
    assert!(!limit.has_fired(), "no source was polled");
    for (mut source, wakes) in sources {
        assert!(wakes.count() > 0);
        assert_eq!(
            wakes.poll(source.as_mut()),
            Poll::Ready(Reason::timeout_named("shared", MS * 10))
        );
        assert!(limit.has_fired());
    }
    let moved = [limit.reset(), limit.extend(LONG), limit.set(clock.now() + LONG), limit.disarm()];
    assert_eq!(moved, [false; 4]);
    assert_eq!(limit.remaining(), Some(Duration::ZERO));
    assert_eq!(block_on(limit.reached()), Reason::timeout_named("shared", MS * 10));
}

/// Setting an earlier end wakes a source that has registered for a later end. Another source fires the limit, and the first
/// source is then ready, too.
#[test]
fn firing_wakes_the_others() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(LONG);
    let (mut first, wakes) = waiting(&limit);
    limit.set(clock.now());
    assert_eq!(wakes.count(), 1);
    let (mut second, others) = (Box::pin(limit.reached()), Wakes::new());
    assert!(others.poll(second.as_mut()).is_ready());
    assert!(wakes.poll(first.as_mut()).is_ready());
}

/// A limit whose end has passed can still be moved, until a poll of a source notices that.
#[test]
fn g17_unnoticed_end_can_be_moved() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 10);
    let (mut source, wakes) = waiting(&limit);
    clock.pass(MS * 10);
    wakes.wait(1);
    assert!(limit.reset());
    assert!(wakes.poll(source.as_mut()).is_pending());
    clock.pass(MS * 10);
    assert!(wakes.poll(source.as_mut()).is_ready());
}

#[test]
fn reason_tells_the_whole_time() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 10);
    let before = clock.now();
    let (_source, _) = waiting(&limit);
    let end = clock.now() + MS * 30;
    limit.set(end);
    let Reason::Timeout { after, .. } = clock.block_on(limit.reached()) else {
        panic!("no timeout")
    };
    assert!(after >= MS * 30 && after <= end - before, "{after:?}");
}

#[test]
fn g17_moved_from_another_thread() {
    let _watchdog = support::watchdog();
    let limit = Limit::after(LONG);
    let remote = limit.clone();
    let mover = thread::spawn(move || remote.set(Instant::now() + MS));
    assert_eq!(block_on(limit.reached()).kind(), ReasonKind::Timeout);
    assert!(mover.join().unwrap());
}

#[test]
fn same_waker_registers_once() {
    let _watchdog = support::watchdog();
    let limit = Limit::after(LONG);
    let (mut source, wakes) = waiting(&limit);
    let registered = Arc::strong_count(&wakes);
    for _ in 0..1000 {
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    assert_eq!((Arc::strong_count(&wakes), wakes.count()), (registered, 0));
}

#[test]
fn changed_waker_is_woken() {
    let _watchdog = support::watchdog();
    let limit = Limit::after(LONG);
    let (mut source, first) = waiting(&limit);
    let second = Wakes::new();
    assert!(second.poll(source.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&first), 1);
    limit.set(Instant::now());
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn dropped_source_leaves_nothing() {
    let _watchdog = support::watchdog();
    let limit = Limit::after(LONG);
    let (source, wakes) = waiting(&limit);
    drop(source);
    assert_eq!(Arc::strong_count(&wakes), 1);
    limit.set(Instant::now());
    assert_eq!(wakes.count(), 0);
}

/// While the work is first polled, the limit has not been registered.
#[test]
fn ready_work_registers_nothing() {
    let _watchdog = support::watchdog();
    let limit = Limit::after(LONG);
    let wakes = Wakes::new();
    let mut run = pin!(async { 7 }.cancelable(&limit));
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(Arc::strong_count(&wakes), 1);
    assert!(limit.remaining().is_some_and(|left| left < LONG), "its clock runs");
}

#[test]
#[should_panic(expected = "`WaitForLimit` polled after completion")]
fn polled_after_completion() {
    let _watchdog = support::watchdog();
    let mut source = pin!(Limit::after(Duration::ZERO).reached());
    assert!(!source.is_terminated());
    assert!(poll_once(source.as_mut()).is_ready());
    assert!(source.is_terminated());
    let _ = poll_once(source);
}

#[test]
fn in_lists_and_with_operators() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (limit, token) = (Limit::after(MS * 5), CancellationToken::new());
    assert!(clock.block_on(any_of((&token, &limit))).kind() == ReasonKind::Timeout);
    token.cancel();
    let reason = block_on(limit.clone() & &token);
    assert_eq!(reason.leaves().len(), 2);
    assert_eq!(block_on(limit | never()), Reason::timeout(MS * 5));
}

/// If several limits have passed, the one with the earliest end gives the reason.
#[test]
fn earliest_limit_wins() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let limit = Limit::after(MS * 5).named("moved");
    let mut both = pin!(any_of((timeout(MS * 9), &limit)));
    assert!(poll_once(both.as_mut()).is_pending());
    limit.reset();
    clock.pass(MS * 30);
    assert_eq!(clock.block_on(both).name(), Some("moved"));
}

/// The end of a limit may move, so it does not count as a deadline of the operation.
#[test]
fn limit_offers_no_deadline() {
    let _watchdog = support::watchdog();
    let limit = Limit::after(LONG);
    let run = scope(&limit, async |operation: Operation| operation.deadline());
    assert_eq!(block_on(run), Ok(None));
    let run = scope(any_of((&limit, timeout(LONG * 2))), async |operation: Operation| {
        operation.remaining()
    });
    assert!(block_on(run).unwrap().is_some_and(|left| left > LONG));
    let run = scope(&limit & timeout(LONG), async |operation: Operation| operation.deadline());
    assert_eq!(block_on(run), Ok(None), "the limit may end later");
}

#[test]
fn labels() {
    let _watchdog = support::watchdog();
    let limit = Limit::after(Duration::ZERO).named("a").because("b").named("c");
    assert_eq!(block_on(limit.reached()).to_string(), "timed out after 0ns (c): b");
}
