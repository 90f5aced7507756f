//! Models of one operation: cancelling, recording the end, and running hooks on several threads.
//!
//! Models with a third thread have too many interleavings to run them all. Such a model is limited to two preemptions, which
//! are enough to find each mistake that the model looks for.
//!
//! At most one thread of a model runs end hooks. Running a hook sets the thread-local of the current operation, and all
//! threads of a model share that thread-local.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Poll;

use loom::thread;

use super::{Count, block_on, bounded_model, model, model_within};
use crate::operation::{Operation, Status};
use crate::{CancelableExt, Progress, Reason, never};

pub(super) fn started() -> Operation {
    let mut operation = Operation::new();
    // Otherwise each model would also try all orders in which threads make the token.
    operation.make_token();
    operation.start(None);
    operation
}

pub(super) fn cancel(operation: &Operation, message: &'static str) -> thread::JoinHandle<bool> {
    let remote = operation.clone();
    thread::spawn(move || remote.cancel_with(message))
}

pub(super) fn complete(operation: &Operation) -> thread::JoinHandle<()> {
    let run = operation.clone();
    thread::spawn(move || run.complete())
}

/// The reasons that hooks have been called with.
pub(super) type Heard = Arc<Mutex<Vec<Reason>>>;

/// Counts the calls of hooks, by the kind of end.
#[derive(Default)]
pub(super) struct Called {
    complete: Arc<Count>,
    cancel: Arc<Count>,
    error: Arc<Count>,
    pub(super) heard: Heard,
}

impl Called {
    pub(super) fn by(operation: &Operation) -> Self {
        let called = Called::default();
        let count = called.complete.clone();
        operation.on_complete(move |_| count.add());
        let (count, heard) = (called.cancel.clone(), called.heard.clone());
        operation.on_cancel(move |_, reason| {
            count.add();
            heard.lock().unwrap().push(reason.clone());
        });
        let count = called.error.clone();
        operation.on_error(move |_, _| count.add());
        called
    }

    /// Returns the counts for completed, cancelled and failed.
    fn counts(&self) -> [usize; 3] {
        [self.complete.get(), self.cancel.get(), self.error.get()]
    }

    /// Returns whether all hooks have been dropped.
    fn are_gone(&self) -> bool {
        [&self.complete, &self.cancel, &self.error]
            .iter()
            .all(|count| Arc::strong_count(count) == 1)
    }
}

/// Asserts that every view of the operation agrees on its status and reason.
#[track_caller]
pub(super) fn assert_views(operation: &Operation, status: Status, reason: Option<&Reason>) {
    assert_eq!(operation.reason().as_ref(), reason);
    assert_eq!(operation.is_cancelled(), reason.is_some());
    assert_eq!(operation.check().err().as_ref().map(|cancelled| cancelled.reason()), reason);
    assert_eq!(operation.status(), status);
    let snapshot = operation.snapshot();
    assert_eq!((snapshot.status, snapshot.reason.as_ref()), (status, reason));
}

/// Two threads cancel at the same time. One call returns `true`, and every view of the operation shows the reason of that
/// call.
#[test]
fn cancelled_by_two() {
    model(|| {
        let operation = started();
        let other = cancel(&operation, "there");
        let here = operation.cancel_with("here");
        let seen_here = operation.reason();
        let there = other.join().unwrap();
        assert_ne!(here, there, "one of them wins");
        let expected = Reason::manual(if here { "here" } else { "there" });
        assert_eq!(seen_here.as_ref(), Some(&expected));
        assert_eq!(operation.token().reason().as_ref(), Some(&expected));
        assert_views(&operation, Status::Cancelling, Some(&expected));
    });
}

/// Two threads cancel an operation that has no token yet.
#[test]
fn token_made_by_two() {
    bounded_model(|| {
        let operation = Operation::new();
        let other = cancel(&operation, "there");
        let here = operation.cancel_with("here");
        let there = other.join().unwrap();
        assert_ne!(here, there, "one of them wins");
        let expected = Reason::manual(if here { "here" } else { "there" });
        assert_eq!(operation.token().reason(), Some(expected));
    });
}

/// Two threads cancel while the future is dropped. The operation keeps one of the three reasons, and the hook gets that
/// reason.
#[test]
fn cancelled_by_two_at_the_end() {
    model_within(2, || {
        let operation = started();
        let called = Called::by(&operation);
        let other = cancel(&operation, "there");
        let run = operation.clone();
        let dropped = thread::spawn(move || run.end_cancelled(Reason::Dropped));
        let here = operation.cancel_with("here");
        let there = other.join().unwrap();
        dropped.join().unwrap();
        let expected = match (here, there) {
            (true, false) => Reason::manual("here"),
            (false, true) => Reason::manual("there"),
            (false, false) => Reason::Dropped,
            (true, true) => panic!("both have won"),
        };
        assert_eq!(operation.token().reason().as_ref(), Some(&expected));
        assert_views(&operation, Status::Cancelled, Some(&expected));
        assert_eq!(*called.heard.lock().unwrap(), [expected]);
        assert_eq!(called.counts(), [0, 1, 0]);
    });
}

/// The operation completes while another thread cancels it. `cancel` returns `true` if and only if the
/// operation is cancelled from then on.
#[test]
fn cancelled_at_the_end() {
    bounded_model(|| {
        let operation = started();
        let run = complete(&operation);
        let won = operation.cancel_with("stop");
        let expected = won.then(|| Reason::manual("stop"));
        assert_eq!(operation.reason(), expected);
        assert_eq!(operation.is_cancelled(), won);
        run.join().unwrap();
        assert_views(&operation, Status::Completed, expected.as_ref());
    });
}

/// As above, but only the thread that completes the operation reads the reason.
#[test]
fn cancelled_at_the_end_unobserved() {
    bounded_model(|| {
        let operation = started();
        let canceller = cancel(&operation, "stop");
        operation.complete();
        let seen = operation.reason();
        let won = canceller.join().unwrap();
        assert_eq!(seen, won.then(|| Reason::manual("stop")));
        assert_views(&operation, Status::Completed, seen.as_ref());
    });
}

/// A third thread reads the reason while one thread completes the operation and another cancels it. Once the third thread
/// has seen a reason, the reason does not change. If `cancel` returns `false`, the third thread sees no reason.
#[test]
fn reason_stays() {
    model_within(2, || {
        let operation = started();
        let run = complete(&operation);
        let canceller = cancel(&operation, "stop");
        let first = operation.reason();
        let second = operation.reason();
        let won = canceller.join().unwrap();
        run.join().unwrap();
        let expected = won.then(|| Reason::manual("stop"));
        for seen in [first, second.clone()].into_iter().flatten() {
            assert_eq!(Some(seen), expected);
        }
        assert_eq!(operation.reason(), expected);
    });
}

/// As above, for `is_cancelled`.
#[test]
fn cancelled_stays() {
    model_within(2, || {
        let operation = started();
        let run = complete(&operation);
        let canceller = cancel(&operation, "stop");
        let first = operation.is_cancelled();
        let second = operation.is_cancelled();
        let won = canceller.join().unwrap();
        run.join().unwrap();
        assert!(won || !first, "seen cancelled, and was not");
        assert!(second || !first, "cancelled no longer");
        assert_eq!(operation.is_cancelled(), won);
    });
}

/// The status is `Cancelling` only if the operation was cancelled before its end, and a final status stays.
#[test]
fn status_goes_forward() {
    model_within(2, || {
        let operation = started();
        let run = complete(&operation);
        let canceller = cancel(&operation, "stop");
        let first = operation.status();
        let second = operation.status();
        let won = canceller.join().unwrap();
        run.join().unwrap();
        assert!([Status::Running, Status::Cancelling, Status::Completed].contains(&first));
        match first {
            Status::Completed => assert_eq!(second, Status::Completed),
            Status::Cancelling => {
                assert!(won, "seen cancelling, and was not cancelled");
                assert!([Status::Cancelling, Status::Completed].contains(&second));
            }
            _ => assert!(won || second != Status::Cancelling),
        }
        assert_eq!(operation.status(), Status::Completed);
    });
}

/// A thread that sees the end sees the final reason: no other thread changes it later.
#[test]
fn final_after_the_end() {
    model_within(2, || {
        let operation = started();
        let run = complete(&operation);
        let canceller = cancel(&operation, "stop");
        let seen = operation.status().is_final().then(|| operation.reason());
        let won = canceller.join().unwrap();
        run.join().unwrap();
        let expected = won.then(|| Reason::manual("stop"));
        assert_eq!(operation.reason(), expected);
        if let Some(seen) = seen {
            assert_eq!(seen, expected);
        }
    });
}

/// Two threads end the operation in different ways. Only one end is recorded. The hooks for that end run, and the other
/// hooks are dropped.
#[test]
fn completed_and_dropped() {
    bounded_model(|| {
        let operation = started();
        let called = Called::by(&operation);
        let run = complete(&operation);
        operation.end_cancelled(Reason::Dropped);
        assert!(operation.status().is_final());
        run.join().unwrap();
        match operation.status() {
            Status::Completed => assert_eq!(called.counts(), [1, 0, 0]),
            Status::Cancelled => {
                assert_eq!(called.counts(), [0, 1, 0]);
                assert_views(&operation, Status::Cancelled, Some(&Reason::Dropped));
                assert_eq!(*called.heard.lock().unwrap(), [Reason::Dropped]);
            }
            other => panic!("it ended {other}"),
        }
        assert!(called.are_gone());
    });
}

/// As above, for a failure: the operation has an error if and only if the failure was recorded.
#[test]
fn completed_and_failed() {
    model(|| {
        let operation = started();
        let called = Called::by(&operation);
        let run = complete(&operation);
        operation.end_with_error(&"no disk");
        run.join().unwrap();
        if operation.error().is_some() {
            assert_eq!((operation.status(), called.counts()), (Status::Failed, [0, 0, 1]));
        } else {
            assert_eq!((operation.status(), called.counts()), (Status::Completed, [1, 0, 0]));
        }
        assert!(called.are_gone());
    });
}

/// The operation is cancelled while the work returns an error. Status, reason and hooks agree: either the operation was
/// cancelled and has a reason, or it has failed and has no reason.
#[test]
fn failed_and_cancelled() {
    bounded_model(|| {
        let operation = started();
        let called = Called::by(&operation);
        let canceller = cancel(&operation, "stop");
        operation.end_with_error(&"no disk");
        let seen = operation.status();
        let expected = if canceller.join().unwrap() {
            assert_eq!(called.counts(), [0, 1, 0]);
            (Status::Cancelled, Some(Reason::manual("stop")))
        } else {
            assert_eq!(called.counts(), [0, 0, 1]);
            (Status::Failed, None)
        };
        assert_eq!(seen, expected.0);
        assert_views(&operation, expected.0, expected.1.as_ref());
        assert_eq!(operation.error().as_deref(), Some("no disk"));
        assert!(called.are_gone());
    });
}

/// Hooks are added while the operation ends. Each hook for that end runs once, and the others are dropped.
#[track_caller]
fn hooks_given_while(end: fn(&Operation), expected: [usize; 3]) {
    bounded_model(move || {
        let operation = started();
        let run = operation.clone();
        let run = thread::spawn(move || end(&run));
        let called = Called::by(&operation);
        run.join().unwrap();
        assert_eq!(called.counts(), expected);
        assert!(called.are_gone());
    });
}

#[test]
fn hooks_given_at_completion() {
    hooks_given_while(Operation::complete, [1, 0, 0]);
}

#[test]
fn hooks_given_at_cancellation() {
    hooks_given_while(|operation| operation.end_cancelled(Reason::Dropped), [0, 1, 0]);
}

#[test]
fn hooks_given_at_failure() {
    hooks_given_while(|operation| operation.end_with_error(&"no disk"), [0, 0, 1]);
}

/// The future is dropped before its first poll while hooks are added. The hooks are dropped, and never called.
#[test]
fn hooks_given_while_dropped_unpolled() {
    bounded_model(|| {
        let operation = Operation::new();
        let run = operation.clone();
        let run = thread::spawn(move || run.end_unpolled());
        let called = Called::by(&operation);
        run.join().unwrap();
        assert_eq!(called.counts(), [0, 0, 0]);
        assert!(called.are_gone());
    });
}

/// A second hook is added while the first one runs. Each runs once.
#[test]
fn two_hooks_run_once_each() {
    model(|| {
        let operation = started();
        let counts = [Count::new(), Count::new()];
        let first = counts[0].clone();
        operation.on_complete(move |_| first.add());
        let run = complete(&operation);
        let second = counts[1].clone();
        operation.on_complete(move |_| second.add());
        run.join().unwrap();
        assert_eq!(counts.map(|count| count.get()), [1, 1]);
    });
}

/// A progress hook that is added while the operation ends is dropped.
#[test]
fn progress_hook_given_at_the_end() {
    model(|| {
        let operation = started();
        let run = complete(&operation);
        let count = Count::new();
        let counted = count.clone();
        operation.on_progress(move |_, _: &Progress| counted.add());
        run.join().unwrap();
        operation.report_progress("late");
        assert_eq!(count.get(), 0);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

/// Two threads force an operation while its grace period begins. The task of the operation sees that the grace period
/// was cut short. If the operation was in the grace period, exactly one call says that it ended the grace period.
#[test]
#[cfg(feature = "time")]
fn forced_by_two_as_the_grace_period_begins() {
    model_within(2, || {
        let operation = started();
        let others = [0; 2].map(|_| {
            let remote = operation.clone();
            thread::spawn(move || remote.force())
        });
        let mut waited = false;
        block_on(poll_fn(|cx| {
            let forced = operation.poll_forced(cx.waker());
            waited |= !forced;
            if forced { Poll::Ready(()) } else { Poll::Pending }
        }));
        operation.end_grace();
        let ended = others.map(|other| other.join().unwrap());
        assert_eq!(ended.iter().filter(|ended| **ended).count(), usize::from(waited));
        assert!(!operation.force());
    });
}

/// Two threads cancel an operation, one of them with a grace period. The grace period and the reason come from the same
/// thread, for the operation and for its child.
#[test]
#[cfg(feature = "time")]
fn grace_of_the_first_canceller() {
    model_within(2, || {
        let (operation, child) = (started(), Operation::new());
        child.enter_below(&operation);
        let plain = cancel(&operation, "plain");
        let remote = operation.clone();
        let with_grace = thread::spawn(move || {
            remote.cancel_with_grace("grace", std::time::Duration::from_secs(3600))
        });
        block_on(child.cancelled_owned());
        for operation in [&child, &operation] {
            let reason = operation.cause();
            let has_grace = reason.root() == &Reason::manual("grace");
            assert_eq!(operation.grace_end().is_some(), has_grace);
        }
        assert_ne!(plain.join().unwrap(), with_grace.join().unwrap());
    });
}

/// The work makes the first handle in its second poll, when the race has not registered a waiter. The thread that cancels
/// through the handle wakes the task.
#[test]
fn cancelled_through_a_late_handle() {
    bounded_model(|| {
        let (mut polls, mut other) = (0, None);
        let work = poll_fn(|cx| -> Poll<()> {
            polls += 1;
            match polls {
                1 => cx.waker().wake_by_ref(),
                2 => other = Operation::current().map(|operation| cancel(&operation, "there")),
                _ => {}
            }
            Poll::Pending
        });
        let ended = block_on(work.cancelable(never()).named("run"));
        assert_eq!(ended.unwrap_err().reason(), &Reason::manual("there"));
        assert!(other.unwrap().join().unwrap());
    });
}

/// A task begins to wait for the end while the operation completes. It is woken, and learns the final status.
#[test]
fn ended_is_awaited_during_the_end() {
    model(|| {
        let operation = started();
        let run = complete(&operation);
        assert_eq!(block_on(operation.ended()), Status::Completed);
        run.join().unwrap();
    });
}

/// A task begins to wait for the end while the future is dropped before its first poll. The task is woken.
#[test]
fn ended_is_awaited_during_a_drop() {
    bounded_model(|| {
        let operation = Operation::new();
        let run = operation.clone();
        let run = thread::spawn(move || run.end_unpolled());
        assert_eq!(block_on(operation.ended()), Status::Cancelled);
        run.join().unwrap();
    });
}
