//! Parents and children: which operation is a child of which, and how the end of a parent affects
//! them.

mod many;

use std::future::{Future, pending};
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::task::Poll;

use cancelable::prelude::*;

use crate::support::{self, Gate, Log, Tally, Wakes, lost, panic_of, poll_once};

type Run = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

/// Returns a child of `parent` that never ends by itself.
fn child_of(parent: &Operation) -> (Operation, Run) {
    let run = pending::<()>().cancelable(never()).child_of(parent);
    (run.operation(), Box::pin(run))
}

#[test]
fn polled_inside_is_a_child() {
    let _watchdog = support::watchdog();
    let outer = scope(never(), async |outer: Operation| {
        let inner = scope(never(), async |inner: Operation| {
            assert_eq!(inner.parent_id(), Some(outer.id()));
            assert_eq!(inner.snapshot().parent_name.as_deref(), Some("outer"));
            async { Operation::current().unwrap().parent_id() }
                .cancelable(never())
                .named("innermost")
                .await
        });
        let operation = inner.operation();
        assert_eq!(operation.parent_id(), None, "not before its first poll");
        assert_eq!(inner.await.unwrap().unwrap(), Some(operation.id()));
    });
    let outer = outer.named("outer");
    let operation = outer.operation();
    support::block_on(outer).unwrap();
    assert_eq!(operation.parent_id(), None);
}

#[test]
fn plain_race_between_changes_nothing() {
    let _watchdog = support::watchdog();
    let outer = scope(never(), async |outer: Operation| {
        let inner = async { Operation::current().unwrap().parent_id() };
        let inner = inner.cancelable(never()).named("inner");
        let plain = async { inner.await.unwrap() }.cancelable(never());
        assert_eq!(plain.await, Ok(Some(outer.id())));
    });
    support::block_on(outer).unwrap();
}

#[test]
fn child_of_wins_over_current() {
    let _watchdog = support::watchdog();
    let named_run = async {}.cancelable(never());
    let named = named_run.operation();
    let other_run = async {}.cancelable(never());
    let other = other_run.operation();
    let outer = scope(never(), async |outer: Operation| {
        let child = pending::<()>().cancelable(never()).child_of(&named).child_of(&other);
        let operation = child.operation();
        let mut child = pin!(child);
        assert!(poll_once(child.as_mut()).is_pending());
        assert_eq!(operation.parent_id(), Some(named.id()), "the first one");
        other.cancel();
        outer.cancel();
        assert!(!operation.is_cancelled());
        named.cancel_with("stop");
        assert_eq!(lost(poll_once(child)).root(), &Reason::manual("stop"));
    });
    support::block_on(outer).unwrap();
}

/// Ends the parent with `end`. Returns what that does to a child that runs elsewhere.
#[track_caller]
fn ends(
    source: impl Future<Output = Reason> + 'static,
    end: impl FnOnce(&Operation, Run),
) -> Option<String> {
    let parent = pending::<()>().cancelable(source).named("parent");
    let operation = parent.operation();
    let mut parent: Run = Box::pin(parent);
    assert!(poll_once(parent.as_mut()).is_pending());
    let (child, mut run) = child_of(&operation);
    let (grandchild, mut below) = child_of(&child);
    let (wakes, wakes_below) = (Wakes::new(), Wakes::new());
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(wakes_below.poll(below.as_mut()).is_pending());
    end(&operation, parent);
    let reason = child.reason();
    // A limit of the parent may wake the child twice, because the child also watches the deadline by itself.
    assert_eq!(wakes.count() > 0, reason.is_some());
    assert_eq!(wakes_below.count() > 0, reason.is_some());
    assert_eq!(grandchild.reason(), reason);
    let reason = reason?;
    assert_eq!(reason.kind(), ReasonKind::Parent);
    assert_eq!(Some(reason.root().clone()), operation.reason());
    assert_eq!(lost(wakes.poll(run.as_mut())), reason);
    assert_eq!(lost(wakes_below.poll(below.as_mut())), reason);
    assert_eq!(child.status(), Status::Cancelled);
    Some(reason.to_string())
}

fn poll_to_the_end(_: &Operation, parent: Run) {
    assert!(support::block_on(parent).is_err());
}

#[test]
fn every_cause_reaches_children() {
    let _watchdog = support::watchdog();
    let told = |message: Option<String>| message.expect("the child is cancelled");

    let token = CancellationToken::new();
    let message = ends(token.clone().into_future(), |parent, run| {
        token.cancel_with("stop");
        poll_to_the_end(parent, run);
    });
    assert_eq!(told(message), "parent `parent` cancelled: stop");

    let message = ends(never(), |parent, _run| assert!(parent.cancel_with("stop")));
    assert_eq!(told(message), "parent `parent` cancelled: stop", "at the request");

    let message = ends(never(), |parent, _run| assert!(parent.token().cancel()));
    assert_eq!(told(message), "parent `parent` cancelled");

    let message = ends(never(), |_, run| drop(run));
    assert_eq!(told(message), "parent `parent` cancelled: dropped before it was done");

    let (sender, receiver) = futures::channel::oneshot::channel::<()>();
    drop(sender);
    let gate = Gate::new();
    let source = {
        let pass = gate.pass();
        async move {
            pass.await;
            let _ = receiver.await;
            Reason::Disconnected
        }
    };
    let message = ends(source, |parent, run| {
        gate.open();
        poll_to_the_end(parent, run);
    });
    assert_eq!(told(message), "parent `parent` cancelled: the other side disconnected");

    let gate = Gate::new();
    let pass = gate.pass();
    let source = async move {
        pass.await;
        Reason::signal(Signal::Term)
    };
    let message = ends(source, |parent, run| {
        gate.open();
        poll_to_the_end(parent, run);
    });
    assert_eq!(told(message), format!("parent `parent` cancelled: received {}", Signal::Term));
}

#[cfg(feature = "time")]
#[test]
fn limits_of_the_parent_reach_children() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let message = ends(timeout(Duration::from_millis(200)), poll_to_the_end).unwrap();
    assert_eq!(message, "parent `parent` cancelled: timed out after 200ms");
    let mut checks = 0;
    let third = condition(move || {
        checks += 1;
        checks == 3
    });
    let third = third.every(Duration::from_millis(1)).named("disk");
    let message = ends(third, poll_to_the_end).unwrap();
    assert_eq!(message, "parent `parent` cancelled: condition `disk` met after 3 checks");
}

#[test]
fn unstarted_parent_is_named() {
    let _watchdog = support::watchdog();
    let parent = pending::<()>().cancelable(never()).named("parent");
    let (child, _run) = child_of(&parent.operation());
    let token = parent.operation().token().child_token();
    parent.operation().cancel_with("stop");
    let message = "parent `parent` cancelled: stop";
    assert_eq!(child.reason().unwrap().to_string(), message);
    assert_eq!(token.reason().unwrap().to_string(), message);
}

#[test]
fn ended_parent_leaves_children_alone() {
    let _watchdog = support::watchdog();
    let completed = async { 7 }.cancelable(never());
    let operation = completed.operation();
    let (child, mut run) = child_of(&operation);
    assert!(poll_once(run.as_mut()).is_pending());
    support::block_on(completed).unwrap();
    assert!(!operation.cancel());
    assert!(!child.is_cancelled() && poll_once(run.as_mut()).is_pending());

    let failed = async { Err::<(), _>(std::io::Error::other("no disk")) }.try_cancelable(never());
    let (child, _run) = child_of(&failed.operation());
    support::block_on(failed).unwrap_err();
    assert!(!child.is_cancelled());

    let panicked = async { panic_any("on fire") }.cancelable(never());
    let (child, _run) = child_of(&panicked.operation());
    assert_eq!(panic_of(|| support::block_on(panicked).is_ok()), "on fire");
    assert!(!child.is_cancelled());
}

#[test]
fn nothing_goes_up_or_sideways() {
    let _watchdog = support::watchdog();
    let parent_run = async {}.cancelable(never());
    let parent = parent_run.operation();
    let (child, mut run) = child_of(&parent);
    let (sibling, _sibling) = child_of(&parent);
    let (grandchild, _below) = child_of(&child);
    assert!(poll_once(run.as_mut()).is_pending());
    child.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(!parent.is_cancelled() && !parent.token().is_cancelled());
    assert!(!sibling.is_cancelled());
    assert!(grandchild.is_cancelled());
}

#[test]
fn shared_token_is_not_cancelled() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut runs: Vec<_> = (0..3)
        .map(|_| {
            let run = pending::<()>().cancelable(token.clone());
            let operation = run.operation();
            let mut run = Box::pin(run);
            assert!(poll_once(run.as_mut()).is_pending());
            (operation, run)
        })
        .collect();
    runs[0].0.cancel_with("only this one");
    drop(runs.remove(1));
    assert!(!token.is_cancelled());
    assert!(!runs[1].0.is_cancelled());
    assert!(poll_once(runs[0].1.as_mut()).is_ready());
    assert!(poll_once(runs[1].1.as_mut()).is_pending());
    token.cancel_with("all");
    assert_eq!(lost(poll_once(runs[1].1.as_mut())), Reason::manual("all"));
    assert_eq!(runs[0].0.reason(), Some(Reason::manual("only this one")));
}

#[test]
fn child_of_a_cancelled_parent_never_starts() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let outer = scope(never(), async |outer: Operation| {
        outer.cancel_with("stop");
        let inner = tally.ready_at(1).cancelable(never()).named("inner");
        let operation = inner.operation();
        assert!(inner.await.unwrap_err().is_parent());
        assert_eq!(operation.status(), Status::Cancelled);
    });
    support::block_on(outer.named("outer")).unwrap();
    assert_eq!((tally.polls(), tally.drops()), (0, 1));

    let ended = pending::<()>().cancelable(async { Reason::manual("stop") });
    let operation = ended.operation();
    support::block_on(ended).unwrap_err();
    let late = pending::<()>().cancelable(never()).child_of(&operation);
    assert_eq!(support::block_on(late).unwrap_err().reason().root(), &Reason::manual("stop"));
}

#[test]
fn spawned_task_in_scope_is_a_child() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let work = scope(never(), async |outer: Operation| {
        let inner = pending::<()>().cancelable(never()).named("inner");
        let operation = inner.operation();
        let task = smol::spawn(outer.in_scope(inner));
        while operation.parent_id().is_none() {
            smol::future::yield_now().await;
        }
        assert_eq!(operation.parent_id(), Some(outer.id()));
        let asks = async {
            outer.cancel_with("stop");
            log.note(task.await.unwrap_err());
        };
        shield(asks).await;
    });
    // The outcome may vary: if the task is quick, the section is over before the operation is polled again.
    drop(smol::block_on(work.named("outer")));
    assert_eq!(log.take(), ["`inner` cancelled: parent `outer` cancelled: stop"]);
}

#[test]
fn children_run_their_own_hooks() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let work = scope(never(), async |outer: Operation| {
        let inner = pending::<()>().cancelable(never()).named("inner");
        log.watch(&inner.operation());
        let outer_log = log.clone();
        outer.on_cancel(move |_, reason| outer_log.note(format_args!("outer {reason}")));
        inner.await.unwrap_err();
        pending::<()>().await;
    });
    let work = work.named("outer");
    let operation = work.operation();
    let mut work = pin!(work);
    assert!(poll_once(work.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert_eq!(log.take(), [""; 0]);
    assert!(poll_once(work.as_mut()).is_ready());
    let seen = ["hook: parent `outer` cancelled: stop", "outer cancelled: stop"];
    assert_eq!(log.take(), seen);
}

#[test]
fn circles_are_harmless() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never());
    let itself = run.operation();
    let run = run.child_of(&itself);
    assert_eq!(itself.parent_id(), None);
    assert!(itself.cancel_with("stop"));
    assert_eq!(support::block_on(run).unwrap_err().into_reason(), Reason::manual("stop"));

    let [a, b, c] = [(); 3].map(|()| pending::<()>().cancelable(never()));
    let (first, second, third) = (a.operation(), b.operation(), c.operation());
    let (b, c) = (b.child_of(&first), c.child_of(&second));
    let a = a.child_of(&third);
    assert_eq!(first.parent_id(), None, "it would have closed the circle");
    assert!(second.cancel_with("stop"));
    assert!(!first.is_cancelled() && third.is_cancelled());
    drop((a, b, c));
}

#[test]
fn parent_polled_in_its_child() {
    let _watchdog = support::watchdog();
    let upper = pending::<()>().cancelable(never());
    let operation = upper.operation();
    let lower = upper.cancelable(never()).child_of(&operation);
    let below = lower.operation();
    let mut lower = Box::pin(lower);
    assert!(poll_once(lower.as_mut()).is_pending());
    assert_eq!(below.parent_id(), Some(operation.id()));
    assert_eq!(operation.parent_id(), None);
    operation.cancel_with("stop");
    assert!(poll_once(lower.as_mut()).is_ready());
}

#[test]
fn in_scope_within_a_shield() {
    let _watchdog = support::watchdog();
    let other_run = async {}.cancelable(never());
    let other = other_run.operation();
    let below = pending::<()>().cancelable(never()).named("below");
    let run = async { shield(other.in_scope(below)).await.unwrap_err().into_reason() };
    let mut run = pin!(run.cancelable(never()).named("run"));
    assert!(poll_once(run.as_mut()).is_pending());
    other.cancel_with("stop");
    let reason = Reason::parent(Reason::manual("stop"));
    assert_eq!(poll_once(run), Poll::Ready(Ok(reason)));
}

#[test]
fn dropped_unpolled_parent_cancels_children() {
    let _watchdog = support::watchdog();
    let parent = async {}.cancelable(never());
    let operation = parent.operation();
    let (child, mut run) = child_of(&operation);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    drop(parent);
    assert_eq!(wakes.count(), 1);
    assert!(child.is_cancelled() && !operation.cancel());
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::parent(Reason::Dropped));
}

#[test]
fn late_name_reaches_children() {
    let _watchdog = support::watchdog();
    let parent = async {}.cancelable(never());
    let operation = parent.operation();
    let (child, _run) = child_of(&operation);
    let _parent = parent.named("late");
    operation.cancel_with("stop");
    assert_eq!(child.reason().unwrap().to_string(), "parent `late` cancelled: stop");
}

/// In clean-up or in a shield of the current operation, a child of `child_of` behaves like an operation that is first polled
/// there: the cancellation does not reach it.
#[test]
fn child_of_the_current_in_a_section() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let child = |name: &'static str| async move {
        let current = Operation::current().unwrap();
        let child = async { 7 }.cancelable(never()).named(name).child_of(&current);
        let operation = child.operation();
        assert_eq!(operation.parent_id(), Some(current.id()));
        assert_eq!(child.await, Ok(7), "{name}");
        assert_eq!(operation.status(), Status::Completed);
    };
    let work = async {
        shield(async {
            token.cancel();
            smol::future::yield_now().await;
            child("in a shield").await;
        })
        .await;
    };
    let run = work.cancelable(&token).finally(|_| child("in clean-up"));
    assert!(support::block_on(run).is_err());
}
