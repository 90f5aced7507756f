//! Go's `context`: trees that are cancelled from the top, deadlines, causes, and `AfterFunc`.

use std::fmt;
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;

use crate::support::{self, Clock, Tally, Wakes, block_on, poll_once};

const SOON: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(3600);

/// An error type of a user, as a cause.
#[derive(Debug, PartialEq)]
struct Cause(&'static str);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Cause {}

fn because_of(source: impl Source) -> Reason {
    block_on(pending::<()>().cancelable(source)).unwrap_err().into_reason()
}

#[test]
fn done_only_after_cancel() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (plain, derived) = (token.clone(), token.child_token());
    for token in [&token, &plain, &derived] {
        assert_eq!(token.check(), Ok(()));
        assert!(poll_once(pin!(token.cancelled())).is_pending());
    }
    token.cancel();
    // No need to wait: everything is cancelled when `cancel` returns.
    for token in [&token, &plain, &derived] {
        assert!(token.check().is_err());
        assert!(poll_once(pin!(token.cancelled())).is_ready());
    }
}

#[test]
fn background_is_never_done() {
    let _watchdog = support::watchdog();
    let mut background = pin!(never());
    assert!(poll_once(background.as_mut()).is_pending());
    assert!(poll_once(background).is_pending());
}

#[test]
fn parent_finishes_children() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let timed = child.child_token();
    let (wakes, tally) = (Wakes::new(), Tally::new());
    let mut work = pin!(tally.ready_at(0).cancelable(any_of((&timed, timeout(LONG)))));
    assert!(wakes.poll(work.as_mut()).is_pending());
    parent.cancel_with("closed");
    let reason = Reason::parent(Reason::manual("closed"));
    assert_eq!(child.reason(), Some(reason.clone()));
    assert_eq!(wakes.count(), 1);
    assert_eq!(block_on(work).unwrap_err().reason(), &reason);
    assert_eq!(parent.child_token().reason(), Some(reason), "what is derived later, too");
}

#[test]
fn child_finishes_first() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    child.cancel();
    assert!(child.is_cancelled());
    assert!(!parent.is_cancelled());
    assert!(poll_once(pin!(parent.cancelled())).is_pending());
}

#[test]
fn deadline_passes() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let start = clock.now();
    assert_eq!(clock.block_on(deadline(start + SOON)).kind(), ReasonKind::Timeout);
    clock.assert_passed(start, SOON);
    for past in [clock.now(), start] {
        assert_eq!(clock.block_on(deadline(past)).kind(), ReasonKind::Timeout);
    }
}

#[test]
fn earlier_deadline_counts() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let later = clock.now() + LONG;
    let inner = pending::<()>().cancelable(deadline(later));
    let outer = clock.block_on(inner.cancelable(timeout(SOON)));
    assert_eq!(outer.unwrap_err().reason(), &Reason::timeout(SOON));
    assert_eq!(clock.block_on(any_of((deadline(later), timeout(SOON)))), Reason::timeout(SOON));
}

#[test]
fn cancel_before_the_deadline() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let limits = any_of((timeout(LONG), &token));
    token.cancel();
    let cancelled = block_on(pending::<()>().cancelable(limits)).unwrap_err();
    assert!(cancelled.is_manual() && !cancelled.is_timeout());
}

#[test]
fn timeout_is_a_timeout() {
    let _watchdog = support::watchdog();
    let cancelled = block_on(pending::<()>().cancelable(timeout(SOON))).unwrap_err();
    assert!(cancelled.is_timeout());
    assert_eq!(io::Error::from(cancelled).kind(), io::ErrorKind::TimedOut);
}

#[test]
fn whole_tree_at_once() {
    let _watchdog = support::watchdog();
    let mut tree = vec![CancellationToken::new()];
    for parent in 0..25 {
        for _ in 0..4 {
            let child = tree[parent].child_token();
            tree.push(child);
        }
    }
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|nth| {
            let (start, mine) = (start.clone(), tree.clone());
            thread::spawn(move || {
                start.wait();
                // Each thread cancels every eighth token, from the leaves up, so that the threads meet everywhere in the
                // tree.
                mine.iter().rev().skip(nth).step_by(8).filter(|token| token.cancel()).count()
            })
        })
        .collect();
    for token in &tree {
        token.blocking_wait();
    }
    let won: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!((1..=tree.len()).contains(&won));
}

#[test]
fn parent_and_child_at_once() {
    let _watchdog = support::watchdog();
    for _ in 0..200 {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        let remote = child.clone();
        let other = thread::spawn(move || remote.cancel_with("child"));
        assert!(parent.cancel_with("parent"));
        let child_won = other.join().unwrap();
        let expected = if child_won { "child" } else { "parent" };
        assert_eq!(child.blocking_wait().root(), &Reason::manual(expected));
    }
}

#[test]
fn any_layer_cancels_the_rest() {
    let _watchdog = support::watchdog();
    for cancelled in 0..30 {
        let mut layers = vec![CancellationToken::new()];
        for above in 0..29 {
            let layer = layers[above].child_token();
            layers.push(layer);
        }
        layers[cancelled].cancel();
        for (depth, layer) in layers.iter().enumerate() {
            assert_eq!(layer.is_cancelled(), depth >= cancelled);
        }
    }
}

#[test]
fn any_layer_times_out_the_rest() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    for short in [0, 15, 29] {
        let tally = Tally::new();
        type Layer = Pin<Box<dyn Future<Output = Result<usize, Cancelled>>>>;
        let work = tally.ready_at(0);
        let mut layer: Layer = Box::pin(async { Ok(work.await) });
        for depth in 0..30 {
            let limit = if depth == short { SOON } else { LONG };
            layer = Box::pin(layer.try_cancelable(timeout(limit)));
        }
        assert_eq!(clock.block_on(layer).unwrap_err().reason(), &Reason::timeout(SOON));
        assert_eq!(tally.drops(), 1);
    }
}

#[test]
fn dropped_child_leaves_nothing() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let held = Arc::new(());
    let holds = held.clone();
    let child = parent.child_token();
    child.on_cancel(move |_| drop(holds)).detach();
    assert_eq!(Arc::strong_count(&held), 2);
    drop(child);
    assert_eq!(Arc::strong_count(&held), 1);
    parent.cancel();
}

/// Cancels tokens in this order with these causes, and checks the cause that each has afterwards.
#[test]
fn first_cause_stays() {
    let _watchdog = support::watchdog();
    let manual = |message| Some(Reason::manual(message));

    let (parent, child) = family();
    assert_eq!((parent.reason(), child.reason()), (None, None));

    let (parent, child) = family();
    parent.cancel();
    let plain = Reason::Manual { message: None };
    assert_eq!(
        (parent.reason(), child.reason()),
        (Some(plain.clone()), Some(Reason::parent(plain)))
    );

    let (parent, child) = family();
    parent.cancel_with("parent");
    child.cancel_with("child");
    assert_eq!(parent.reason(), manual("parent"));
    assert_eq!(child.reason(), Some(Reason::parent(Reason::manual("parent"))));

    let (parent, child) = family();
    child.cancel_with("child");
    parent.cancel_with("parent");
    assert_eq!((parent.reason(), child.reason()), (manual("parent"), manual("child")));

    let (parent, child) = family();
    child.cancel_with("child");
    assert_eq!((parent.reason(), child.reason()), (None, manual("child")));

    let (parent, _) = family();
    parent.cancel_with("first");
    parent.cancel_with("second");
    assert_eq!(parent.reason(), manual("first"));
}

fn family() -> (CancellationToken, CancellationToken) {
    let parent = CancellationToken::new();
    let child = parent.child_token();
    (parent, child)
}

#[test]
fn cause_keeps_its_type() {
    let _watchdog = support::watchdog();
    let (parent, child) = family();
    parent.cancel_with(Reason::error(Cause("disk on fire")));
    for token in [&parent, &child] {
        let cancelled = token.check().unwrap_err();
        assert_eq!(cancelled.reason().downcast_ref(), Some(&Cause("disk on fire")));
        let source = std::error::Error::source(&cancelled).unwrap();
        assert!(source.is::<Cause>());
    }
}

#[test]
fn limit_with_a_cause() {
    let _watchdog = support::watchdog();
    let cause = || Reason::error(Cause("too slow"));
    let reason = because_of(timeout(SOON).because(cause()));
    assert_eq!(reason.downcast_ref(), Some(&Cause("too slow")));
    let reason = because_of(deadline(Instant::now()).because(cause()));
    assert_eq!(reason.downcast_ref(), Some(&Cause("too slow")));

    // The token is cancelled before the limit passes, so the cause of the limit is not used.
    let token = CancellationToken::new();
    token.cancel_with("stopped");
    let limits = any_of((timeout(LONG).because(cause()), &token));
    assert_eq!(because_of(limits), Reason::manual("stopped"));
}

#[test]
fn done_implies_a_cause() {
    let _watchdog = support::watchdog();
    for _ in 0..200 {
        let token = CancellationToken::new();
        let remote = token.clone();
        let canceller = thread::spawn(move || remote.cancel_with("cause"));
        while !token.is_cancelled() {
            thread::yield_now();
        }
        assert_eq!(token.reason(), Some(Reason::manual("cause")));
        canceller.join().unwrap();
    }
}

#[test]
fn after_func_runs_once() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let registration = token.on_cancel(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    token.cancel();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    token.cancel();
    drop(registration);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[test]
fn after_func_runs_after_a_timeout() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (sender, receiver) = channel();
    token.on_cancel(move |reason| sender.send(reason.clone()).unwrap()).detach();
    block_on(async { token.cancel_with(timeout(SOON).await) });
    assert_eq!(receiver.try_recv(), Ok(Reason::timeout(SOON)));
}

#[test]
fn late_after_func_runs_at_once() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel();
    let (sender, receiver) = channel();
    token.on_cancel(move |_| sender.send(()).unwrap()).detach();
    assert_eq!(receiver.try_recv(), Ok(()));
}

#[test]
fn stopped_after_func_does_not_run() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (sender, receiver) = channel();
    let registration = token.on_cancel(move |_| sender.send(()).unwrap());
    drop(registration);
    // The other end was dropped with the function.
    assert!(receiver.recv().is_err());
    token.cancel();
    assert!(receiver.recv().is_err());
}

/// Differs: in Go the function runs in a goroutine of its own, here in the call to `cancel`.
#[test]
fn after_func_runs_on_the_cancelling_thread() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (sender, receiver) = channel();
    token.on_cancel(move |_| sender.send(thread::current().id()).unwrap()).detach();
    let canceller = thread::spawn(move || {
        token.cancel();
        thread::current().id()
    });
    assert_eq!(receiver.recv().unwrap(), canceller.join().unwrap());
}

/// In Go, a context may come from another package. Here, a source may be any future of a reason.
#[test]
fn custom_source() {
    let _watchdog = support::watchdog();
    let (sender, receiver) = futures::channel::oneshot::channel::<()>();
    let (wakes, tally) = (Wakes::new(), Tally::new());
    let own = receiver.because("the other side went away");
    let mut work = pin!(tally.ready_at(0).cancelable(any_of((own, timeout(LONG)))));
    assert!(wakes.poll(work.as_mut()).is_pending());
    drop(sender);
    assert_eq!(wakes.count(), 1);
    let reason = block_on(work).unwrap_err().into_reason();
    assert_eq!(reason, Reason::manual("the other side went away"));

    // When the work ends, its source is dropped, whatever the type of the source is.
    let (watched, done) = (Tally::new(), Tally::new());
    let own = watched.ready_at(0).because("never");
    assert_eq!(block_on(done.ready_at(1).cancelable(own)), Ok(1));
    assert_eq!(watched.drops(), 1);
}
