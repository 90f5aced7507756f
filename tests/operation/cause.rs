//! The first cause wins, and every view shows the same one.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use cancelable::prelude::*;

use crate::support::{self, Log, Tally, Wakes, lost, poll_once};

/// What may cancel the operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Source,
    Handle,
    Parent,
    Token,
}

const EVERYONE: [Who; 4] = [Who::Source, Who::Handle, Who::Parent, Who::Token];

/// An operation, and everything that can cancel it.
struct Stage {
    source: CancellationToken,
    parent: Operation,
    operation: Operation,
    hooks: Arc<Mutex<Vec<Reason>>>,
}

impl Stage {
    fn new() -> (Self, impl Future<Output = Result<(), Cancelled>>) {
        let source = CancellationToken::new();
        let parent = support::unpolled("");
        let hooks = Arc::<Mutex<Vec<Reason>>>::default();
        let noted = hooks.clone();
        let run = pending::<()>()
            .cancelable(source.clone())
            .child_of(&parent)
            .on_cancel(move |_, reason| noted.lock().unwrap().push(reason.clone()));
        let operation = run.operation();
        (Stage { source, parent, operation, hooks }, run)
    }

    /// Cancels in this way. Returns true if it is already certain that this cancellation has decided the reason. The source
    /// decides only at the next poll.
    fn cancel(&self, who: Who) -> bool {
        match who {
            Who::Source => {
                self.source.cancel_with("source");
                false
            }
            Who::Handle => self.operation.cancel_with("handle"),
            Who::Parent => {
                self.parent.cancel_with("parent");
                self.operation.reason() == Some(self.reason_of(who))
            }
            Who::Token => self.operation.token().cancel_with("token"),
        }
    }

    fn reason_of(&self, who: Who) -> Reason {
        match who {
            Who::Source => Reason::manual("source"),
            Who::Handle => Reason::manual("handle"),
            Who::Parent => Reason::parent(Reason::manual("parent")),
            Who::Token => Reason::manual("token"),
        }
    }

    /// Asserts that all views show this reason.
    #[track_caller]
    fn shows(&self, outcome: Reason) {
        assert_eq!(self.operation.reason(), Some(outcome.clone()));
        assert_eq!(self.operation.snapshot().reason, Some(outcome.clone()));
        assert_eq!(self.operation.token().reason(), Some(outcome.clone()));
        assert_eq!(self.operation.check().unwrap_err().into_reason(), outcome);
        assert_eq!(poll_once(pin!(self.operation.cancelled())), outcome.clone().into());
        assert_eq!(*self.hooks.lock().unwrap(), [outcome]);
        assert_eq!(self.operation.status(), Status::Cancelled);
    }
}

#[test]
fn first_cause_decides() {
    let _watchdog = support::watchdog();
    for started in [false, true] {
        for first in EVERYONE {
            for second in EVERYONE {
                for third in EVERYONE {
                    let (stage, run) = Stage::new();
                    let mut run = pin!(run);
                    if started {
                        assert!(poll_once(run.as_mut()).is_pending());
                    }
                    let mut decided = None;
                    for who in [first, second, third] {
                        let was_decided = decided.is_some();
                        if stage.cancel(who) && !was_decided {
                            decided = Some(who);
                        }
                        assert_eq!(
                            stage.operation.reason(),
                            decided.map(|who| stage.reason_of(who)),
                            "{who:?} of {first:?}, {second:?}, {third:?}"
                        );
                    }
                    // A source that has fired counts only once the operation is polled.
                    let decided = decided.unwrap_or(Who::Source);
                    let outcome = lost(poll_once(run.as_mut()));
                    assert_eq!(outcome, stage.reason_of(decided));
                    stage.shows(outcome);
                }
            }
        }
    }
}

#[test]
fn second_cancel_changes_nothing() {
    let _watchdog = support::watchdog();
    let (stage, run) = Stage::new();
    let mut run = pin!(run);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(stage.operation.cancel());
    assert!(!stage.operation.cancel() && !stage.operation.cancel_with("second"));
    assert!(!stage.operation.token().cancel());
    assert_eq!(wakes.count(), 1);
    let outcome = lost(wakes.poll(run.as_mut()));
    assert_eq!(outcome, Reason::Manual { message: None });
    stage.shows(outcome);
}

#[test]
fn g04_first_thread_decides_for_every_view() {
    let _watchdog = support::watchdog();
    for _ in 0..200 {
        let (stage, run) = Stage::new();
        let mut run = Box::pin(run);
        assert!(poll_once(run.as_mut()).is_pending());
        let barrier = Barrier::new(EVERYONE.len() + 1);
        let (outcome, told) = thread::scope(|threads| {
            let told = [Who::Handle, Who::Token].map(|who| {
                let (stage, barrier) = (&stage, &barrier);
                threads.spawn(move || {
                    barrier.wait();
                    (who, stage.cancel(who))
                })
            });
            for who in [Who::Source, Who::Parent] {
                let (stage, barrier) = (&stage, &barrier);
                threads.spawn(move || {
                    barrier.wait();
                    stage.cancel(who);
                });
            }
            barrier.wait();
            let outcome = support::block_on(run.as_mut()).unwrap_err().into_reason();
            (outcome, told.map(|told| told.join().unwrap()))
        });
        for (who, won) in told {
            assert_eq!(won, outcome == stage.reason_of(who), "{who:?} with {outcome}");
        }
        stage.shows(outcome);
    }
}

#[test]
fn g04_cancel_racing_the_end_returns_the_truth() {
    let _watchdog = support::watchdog();
    for _ in 0..2000 {
        let run = async { 7 }.cancelable(never());
        let operation = run.operation();
        let barrier = Barrier::new(2);
        let cancelled = thread::scope(|threads| {
            let cancels = threads.spawn(|| {
                barrier.wait();
                operation.cancel_with("stop")
            });
            barrier.wait();
            let _ = support::block_on(run);
            cancels.join().unwrap()
        });
        assert!(operation.status().is_final());
        assert_eq!(cancelled, operation.reason().is_some(), "{}", operation.snapshot());
    }
}

#[test]
fn g03_work_gone_before_waiters_wake() {
    let _watchdog = support::watchdog();
    for first_look in [false, true] {
        for shielded in [false, true] {
            let (log, tally, token) = (Log::new(), Tally::new(), CancellationToken::new());
            let work = tally.ready_at(0);
            let work = async move {
                if shielded {
                    shield(async { futures::pending!() }).await;
                }
                work.await
            };
            let run = work.cancelable(&token).finally(|outcome| {
                assert!(outcome.is_err());
                assert_eq!(tally.drops(), 1);
                log.note("finally");
                async { log.note("running") }
            });
            let operation = run.operation();
            let (seen, note) = (tally.clone(), log.clone());
            operation.on_cancel(move |_, _| {
                assert_eq!(seen.drops(), 1);
                note.note("hook");
            });
            let mut run = pin!(run);
            if !first_look {
                assert!(poll_once(run.as_mut()).is_pending());
            }
            token.cancel_with("stop");
            assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("stop"));
            assert_eq!(log.take(), ["finally", "running", "hook"]);
        }
    }
}
