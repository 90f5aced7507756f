//! The tests of `hother.cancelable`, a Python library for the same purpose: tokens, limits, signals and conditions.

use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::source::BoxSource;

use crate::support::{self, Clock, Tally, Wakes, block_on, on_every_executor, poll_once};

const SOON: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(3600);

fn because_of(source: impl Source) -> Reason {
    block_on(pending::<()>().cancelable(source)).unwrap_err().into_reason()
}

// Reasons and messages.

#[test]
fn messages() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("stopped by the operator");
    let reason = because_of(&token);
    assert_eq!(reason.message().as_deref(), Some("stopped by the operator"));
    let silent = CancellationToken::new();
    silent.cancel();
    assert_eq!(because_of(&silent).message(), None);
    assert_eq!(silent.check().unwrap_err().to_string(), "cancelled");
}

#[test]
fn reasons_in_words() {
    let _watchdog = support::watchdog();
    assert_eq!(because_of(timeout(SOON)).to_string(), "timed out after 10ms");
    let checked = because_of(condition(|| true).named("disk"));
    assert_eq!(checked.to_string(), "condition `disk` met after 1 check");
    let both = because_of(all_of((condition(|| true).named("a"), timeout(Duration::ZERO))));
    assert_eq!(both.kind(), ReasonKind::All);
    assert_eq!(both.leaves()[0], Reason::condition("a", 1));
}

#[test]
fn any_of_keeps_the_reason() {
    let _watchdog = support::watchdog();
    let sources = any_of((any_of((never(), condition(|| true).named("inner"))), timeout(LONG)));
    assert_eq!(because_of(sources), Reason::condition("inner", 1));
}

#[test]
fn first_reason_stays() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut race = pin!(pending::<()>().cancelable(any_of((timeout(SOON), &token))));
    assert!(poll_once(race.as_mut()).is_pending());
    let outcome = block_on(race);
    token.cancel_with("late");
    assert!(outcome.unwrap_err().is_timeout());

    assert!(!token.cancel_with("later still"));
    assert_eq!(token.reason(), Some(Reason::manual("late")));
}

#[test]
fn check_returns_the_reason() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with(Reason::timeout(LONG));
    assert!(token.check().unwrap_err().is_timeout());
    let child = token.child_token().check().unwrap_err();
    assert!(child.is_parent());
    assert_eq!(child.reason().root(), &Reason::timeout(LONG));
    assert_eq!(child.to_string(), "parent cancelled: timed out after 3600s");
}

#[test]
fn earlier_of_two_limits() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let start = clock.now();
    let reason = clock.block_on(any_of((timeout(LONG), timeout(SOON), timeout(LONG))));
    assert_eq!(reason, Reason::timeout(SOON));
    clock.assert_passed(start, SOON);
    assert!(clock.now() - start < LONG);
}

#[test]
fn error_as_a_reason() {
    let _watchdog = support::watchdog();
    fn is_error<E: std::error::Error + Clone + Send + Sync + 'static>(error: E) -> E {
        error
    }
    let parse = "x".parse::<i32>().unwrap_err();
    let cancelled = is_error(Cancelled::new(Reason::error(parse.clone())));
    assert!(cancelled.is_error());
    assert_eq!(cancelled.reason().downcast_ref(), Some(&parse));
}

// Tokens.

on_every_executor! {
    /// A plain thread cancels the token while the executor has nothing else to do.
    async fn thread_cancels_on_an_idle_executor() {
        let token = CancellationToken::new();
        let remote = token.clone();
        let (sender, receiver) = channel::<()>();
        let canceller = thread::spawn(move || {
            receiver.recv().unwrap();
            remote.cancel_with("from a thread")
        });
        let told = async { sender.send(()).unwrap() };
        let work = async { told.await; pending::<()>().await };
        let cancelled = work.cancelable(&token).await.unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::manual("from a thread"));
        assert!(canceller.join().unwrap());
    }

    /// Timeouts, conditions, tokens and composition need no runtime of their own.
    async fn every_source_on_every_executor() {
        let token = CancellationToken::new();
        let limit = any_of((timeout(SOON), token.cancelled())).await;
        assert_eq!(limit, Reason::timeout(SOON));
        let mut checks = 0;
        let third = condition(move || { checks += 1; checks == 3 });
        let reason = third.every(Duration::from_millis(1)).await;
        assert_eq!(reason, Reason::condition("condition", 3));
    }
}

#[test]
fn one_token_stops_all() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let mut runs: Vec<_> =
        (0..1000).map(|_| Box::pin(pending::<()>().cancelable(&token))).collect();
    assert!(runs.iter_mut().all(|run| wakes.poll(run.as_mut()).is_pending()));
    token.cancel();
    assert_eq!(wakes.count(), 1000);
    assert!(runs.iter_mut().all(|run| matches!(wakes.poll(run.as_mut()), Poll::Ready(Err(_)))));
}

#[test]
fn one_of_a_hundred_threads_wins() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let threads: Vec<_> = (0..100)
        .map(|number| {
            let token = token.clone();
            thread::spawn(move || token.cancel_with(format!("thread {number}")).then_some(number))
        })
        .collect();
    let won: Vec<i32> = threads.into_iter().filter_map(|t| t.join().unwrap()).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(token.reason(), Some(Reason::manual(format!("thread {}", won[0]))));
}

#[test]
fn slow_callback_delays_no_waiter() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let child = token.child_token();
    let (entered, inside) = channel();
    let (leave, left) = channel::<()>();
    token
        .on_cancel(move |_| {
            entered.send(()).unwrap();
            left.recv().unwrap();
        })
        .detach();
    let wakes = Wakes::new();
    let (mut above, mut below) = (pin!(token.cancelled()), pin!(child.cancelled()));
    assert!(wakes.poll(above.as_mut()).is_pending() && wakes.poll(below.as_mut()).is_pending());
    let remote = token.clone();
    let canceller = thread::spawn(move || remote.cancel());
    inside.recv().unwrap();
    // The callback runs when all tasks have been woken.
    assert_eq!(wakes.count(), 2);
    assert!(wakes.poll(above).is_ready() && wakes.poll(below).is_ready());
    leave.send(()).unwrap();
    assert!(canceller.join().unwrap());
}

#[test]
fn callback_uses_its_token() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (remote, seen) = (token.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = seen.clone();
    token
        .on_cancel(move |_| {
            assert!(!remote.cancel());
            assert!(remote.child_token().is_cancelled());
            let inner = counted.clone();
            let count = move |_: &Reason| {
                inner.fetch_add(1, Ordering::SeqCst);
            };
            remote.on_cancel(count).detach();
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .detach();
    token.cancel();
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[test]
fn finished_operations_leave_nothing() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    for _ in 0..1000 {
        let tally = Tally::new();
        let mut run = Box::pin(tally.ready_at(2).cancelable(&token));
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(2)));
    }
    assert_eq!(Arc::strong_count(&wakes), 1);
    token.cancel();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn ended_operation_does_not_cancel_its_token() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let limits = any_of((&token, timeout(Duration::ZERO)));
    assert!(because_of(limits).kind() == ReasonKind::Timeout);
    assert_eq!(block_on(async { 1 }.cancelable(&token)), Ok(1));
    assert!(!token.is_cancelled());
}

// Hierarchy.

#[test]
fn link_and_child_reasons() {
    let _watchdog = support::watchdog();
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let link = CancellationToken::linked([&first, &second]);
    let child = second.child_token();
    second.cancel_with("why");
    assert_eq!(link.reason(), Some(Reason::manual("why")));
    assert_eq!(child.reason(), Some(Reason::parent(Reason::manual("why"))));
    assert_eq!(CancellationToken::linked([&second]).reason(), link.reason());
}

#[test]
fn child_with_several_parents() {
    let _watchdog = support::watchdog();
    let (parent, user) = (CancellationToken::new(), CancellationToken::new());
    let both = CancellationToken::linked([&parent.child_token(), &user]);
    parent.cancel_with("shutdown");
    assert_eq!(both.reason(), Some(Reason::parent(Reason::manual("shutdown"))));
    assert!(!user.is_cancelled());
}

#[test]
fn every_cause_reaches_children() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    block_on(async { parent.cancel_with(timeout(SOON).await) });
    assert_eq!(child.reason(), Some(Reason::parent(Reason::timeout(SOON))));
}

#[test]
fn ten_thousand_deep() {
    let _watchdog = support::watchdog();
    let top = CancellationToken::new();
    let mut chain = vec![top.clone()];
    for above in 0..10_000 {
        let below = chain[above].child_token();
        chain.push(below);
    }
    let bottom = chain.pop().unwrap();
    drop(chain);
    top.cancel_with("down");
    assert_eq!(bottom.reason(), Some(Reason::parent(Reason::manual("down"))));
}

// Timeouts.

#[test]
fn limit_starts_at_the_first_poll() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let source = timeout(Duration::from_millis(30));
    clock.pass(Duration::from_millis(40));
    let start = clock.now();
    assert_eq!(clock.block_on(source), Reason::timeout(Duration::from_millis(30)));
    clock.assert_passed(start, Duration::from_millis(30));
}

#[test]
fn zero_and_infinite_limits() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let outcome = block_on(tally.ready_at(1).cancelable(timeout(Duration::ZERO)));
    assert!(outcome.unwrap_err().is_timeout());
    assert_eq!(tally.polls(), 0);
    assert!(poll_once(pin!(timeout(Duration::MAX))).is_pending());
    assert_eq!(block_on(async { 1 }.cancelable(timeout(Duration::MAX))), Ok(1));
}

// Conditions.

#[test]
fn condition_checked_before_the_work() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let outcome = block_on(tally.ready_at(1).cancelable(condition(|| true)));
    assert_eq!(outcome.unwrap_err().reason(), &Reason::condition("condition", 1));
    assert_eq!(tally.polls(), 0);
}

#[test]
fn panicking_condition_is_not_met() {
    let _watchdog = support::watchdog();
    let checks = Cell::new(0);
    let flaky = condition(|| {
        checks.set(checks.get() + 1);
        assert!(checks.get() > 1, "the first check fails");
        true
    });
    let reason = because_of(flaky.every(Duration::from_millis(1)).named("flaky"));
    assert_eq!(reason, Reason::condition("flaky", 2));
}

#[test]
fn slow_check_does_not_delay_the_end() {
    let _watchdog = support::watchdog();
    let dropped = Tally::new();
    let check = dropped.clone();
    let slow = condition_async(move || {
        let never = check.ready_at(0);
        async move { never.await == 0 }
    });
    let mut run = pin!(Tally::new().ready_at(2).cancelable(slow));
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
    assert_eq!(dropped.drops(), 1);
}

#[test]
fn two_conditions() {
    let _watchdog = support::watchdog();
    let (first, second) = (Cell::new(0), Cell::new(0));
    let count = |cell: &Cell<u64>, enough| {
        cell.set(cell.get() + 1);
        cell.get() >= enough
    };
    let pause = Duration::from_millis(1);
    let reason = because_of(any_of((
        condition(|| count(&first, u64::MAX)).every(pause).named("first"),
        condition(|| count(&second, 3)).every(pause).named("second"),
    )));
    assert_eq!(reason, Reason::condition("second", 3));
    assert!(first.get() >= 2);
}

// Composition.

#[test]
fn minimum_time_and_data() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (ready, start) = (CancellationToken::new(), clock.now());
    ready.cancel_with("data complete");
    let both = all_of((timeout(SOON), condition(|| ready.is_cancelled())));
    let both = clock.block_on(both);
    clock.assert_passed(start, SOON);
    assert_eq!(both.leaves(), [Reason::timeout(SOON), Reason::condition("condition", 1)]);
}

#[test]
fn all_of_remembers() {
    let _watchdog = support::watchdog();
    let checks = Cell::new(0);
    // The condition is true only at its first check.
    let once = condition(|| checks.replace(checks.get() + 1) == 0).named("once");
    let later = CancellationToken::new();
    let mut both = pin!(all_of((once, &later)));
    assert!(poll_once(both.as_mut()).is_pending());
    later.cancel_with("later");
    let reason = block_on(both);
    assert_eq!(reason.leaves(), [Reason::condition("once", 1), Reason::manual("later")]);
    assert_eq!(checks.get(), 1);
}

#[test]
fn source_listed_twice() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("twice");
    let reason = because_of(all_of([&token, &token]));
    assert_eq!(reason.leaves(), [Reason::manual("twice"), Reason::manual("twice")]);
}

/// Differs: in Python an empty list is refused.
#[test]
fn empty_list_never_fires() {
    let _watchdog = support::watchdog();
    assert!(poll_once(pin!(any_of(Vec::<BoxSource<'_>>::new()))).is_pending());
    assert!(poll_once(pin!(all_of(Vec::<BoxSource<'_>>::new()))).is_pending());
}

#[test]
fn nested_compositions() {
    let _watchdog = support::watchdog();
    let (a, b, stop) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let mut nested = pin!(any_of((all_of((&a, any_of([&b]))), &stop)));
    assert!(poll_once(nested.as_mut()).is_pending());
    b.cancel_with("b");
    assert!(poll_once(nested.as_mut()).is_pending());
    a.cancel_with("a");
    let reason = block_on(nested);
    assert_eq!(reason, Reason::all([Reason::manual("a"), Reason::manual("b")]));
}

#[test]
fn combining_is_any_of() {
    let _watchdog = support::watchdog();
    let (token, other) = (CancellationToken::new(), CancellationToken::new());
    let mut parts: Vec<BoxSource<'_>> = vec![Box::pin(timeout(LONG)), Box::pin(token.cancelled())];
    parts.push(Box::pin(any_of((&other, &token))));
    let mut run = pin!(pending::<()>().cancelable(any_of(parts)));
    assert!(poll_once(run.as_mut()).is_pending());
    other.cancel_with("a part");
    assert_eq!(block_on(run).unwrap_err().reason(), &Reason::manual("a part"));
    assert!(!token.is_cancelled(), "the parts are left alone");
}

// Custom sources.

#[test]
fn any_future_is_a_source() {
    let _watchdog = support::watchdog();
    struct Quota(u32);
    impl Future for Quota {
        type Output = Reason;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
            self.0 += 1;
            cx.waker().wake_by_ref();
            if self.0 > 5 { Poll::Ready("quota used up".into()) } else { Poll::Pending }
        }
    }
    assert_eq!(because_of(Quota(0)), Reason::manual("quota used up"));
    assert_eq!(because_of(any_of((timeout(LONG), Quota(0)))), Reason::manual("quota used up"));
    assert_eq!(because_of(async { Reason::Disconnected }), Reason::Disconnected);
}

// Signals. Each test uses a different signal, because all tests share the process.

#[cfg(unix)]
mod signals {
    use super::*;
    use rustix::process::{Signal as Number, getpid, kill_process};

    #[test]
    fn cancels_every_waiting_operation() {
        let _watchdog = support::watchdog();
        let sources: Vec<_> = (0..100).map(|_| signal(Signal::Usr1).unwrap()).collect();
        kill_process(getpid(), Number::USR1).unwrap();
        for source in sources {
            let reason = because_of(source);
            assert_eq!(reason, Reason::signal(Signal::Usr1));
            assert!(reason.to_string().starts_with("received SIGUSR1 ("));
        }
    }

    #[test]
    fn inner_operation_leaves_it_to_the_outer() {
        let _watchdog = support::watchdog();
        let outer = signal(Signal::Usr2).unwrap();
        assert_eq!(block_on(async { 1 }.cancelable(signal(Signal::Usr2).unwrap())), Ok(1));
        kill_process(getpid(), Number::USR2).unwrap();
        assert_eq!(because_of(outer), Reason::signal(Signal::Usr2));
    }

    #[test]
    fn before_the_first_poll_on_any_thread() {
        let _watchdog = support::watchdog();
        let waiter = thread::spawn(|| {
            let source = signals([Signal::Winch, Signal::Urg]).unwrap();
            kill_process(getpid(), Number::WINCH).unwrap();
            let tally = Tally::new();
            // Delivery takes time, so the source is polled until it fires.
            let reason = block_on(source);
            let outcome = block_on(tally.ready_at(0).cancelable(async { reason }));
            (outcome.unwrap_err().into_reason(), tally.polls())
        });
        assert_eq!(waiter.join().unwrap(), (Reason::signal(Signal::Winch), 0));
    }

    #[test]
    fn uncatchable_is_refused() {
        let _watchdog = support::watchdog();
        assert!(signal(Signal::Kill).is_err() && signal(Signal::Stop).is_err());
        assert!(signals([]).is_err());
        assert!(Signal::try_from(-1).is_err());
    }
}
