//! Cancelled, or dropped, at every await there is: each ending leaves exactly one terminal status and
//! one family of hooks, and nothing registered anywhere.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Log, Wakes, kept};

/// More polls than any of the runs takes.
const ENOUGH: usize = 60;

const LONG: Duration = Duration::from_secs(3600);

type Run = Pin<Box<dyn Future<Output = Result<u32, Cancelled>>>>;

/// Who cancels.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Source,
    Handle,
    Parent,
    Outer,
}

fn everyone(around: Around) -> Vec<Who> {
    let mut everyone = vec![Who::Source, Who::Handle, Who::Parent];
    if around != Around::Nothing {
        everyone.push(Who::Outer);
    }
    everyone
}

/// What is around the run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Around {
    Nothing,
    Plain,
    Operation,
}

/// A run with a shield, an operation below, clean-up and perhaps a grace period.
struct Trial {
    log: Log,
    wakes: Arc<Wakes>,
    /// Its clones are held by everything that is to go.
    held: Arc<()>,
    source: CancellationToken,
    outer: CancellationToken,
    parent: Operation,
    operation: Operation,
    below: Operation,
    run: Option<Run>,
    polls: usize,
    outcome: Option<Result<u32, Cancelled>>,
}

/// Pending once, registered with a token that nobody cancels.
async fn waits(token: &CancellationToken) {
    let mut first = true;
    let once = std::future::poll_fn(|_| {
        if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
    });
    let _ = futures::future::select(std::pin::pin!(once), token.cancelled()).await;
}

impl Trial {
    fn new(grace: Option<Duration>, around: Around) -> Self {
        let (log, held, wakes) = (Log::new(), Arc::new(()), Wakes::new());
        let [source, outer, idle] = [(); 3].map(|()| CancellationToken::new());
        let parent = async {}.cancelable(never()).named("parent").operation();

        let below = {
            let (idle, held, log) = (idle.clone(), held.clone(), log.clone());
            let work = async move {
                let _held = held;
                waits(&idle).await;
                shield(waits(&idle)).await;
                log.note("below");
            };
            work.cancelable(never()).named("below")
        };
        let below_it = below.operation();
        let work = {
            let (idle, held, log) = (idle.clone(), held.clone(), log.clone());
            async move {
                let _held = held;
                waits(&idle).await;
                shield(async {
                    log.note("section begun");
                    waits(&idle).await;
                    shield(waits(&idle)).await;
                    waits(&idle).await;
                    log.note("section done");
                })
                .await;
                log.note("after section");
                let _ = below.await;
                waits(&idle).await;
                7
            }
        };
        let clean_up = {
            let (idle, held, log) = (idle.clone(), held.clone(), log.clone());
            move |_: &Result<u32, Cancelled>| {
                log.note("clean-up begun");
                async move {
                    let _held = held;
                    waits(&idle).await;
                    waits(&idle).await;
                    log.note("clean-up done");
                }
            }
        };
        let lost = log.clone();
        let run = work.cancelable(any_of((source.clone(), timeout(LONG)))).child_of(&parent);
        let run = match grace {
            Some(grace) => run.grace(grace),
            None => run,
        };
        let hold = held.clone();
        let run = run
            .on_start(move |_| drop(hold))
            .finally(clean_up)
            .on_clean_up_lost(move |_| lost.note("lost"));
        let operation = run.operation();
        log.watch(&operation);
        hold_in_hooks(&operation, &held);
        let run: Run = match around {
            Around::Nothing => Box::pin(run),
            _ => {
                let after = log.clone();
                let work = async move {
                    let outcome = run.await;
                    after.note("after the run");
                    waits(&idle).await;
                    outcome
                };
                let run = work.cancelable(outer.clone());
                let run = if around == Around::Plain { run } else { run.named("outer") };
                Box::pin(async { run.await.and_then(|outcome| outcome) })
            }
        };
        Trial {
            log,
            wakes,
            held,
            source,
            outer,
            parent,
            operation,
            below: below_it,
            run: Some(run),
            polls: 0,
            outcome: None,
        }
    }

    fn poll(&mut self) -> bool {
        let Some(run) = &mut self.run else { return true };
        self.polls += 1;
        if let Poll::Ready(outcome) = self.wakes.poll(run.as_mut()) {
            assert_eq!(kept(&self.wakes), 0, "it is over, and has left every list");
            self.outcome = Some(outcome);
            self.run = None;
            return true;
        }
        assert!(
            self.polls < ENOUGH,
            "it does not end: {} {:?}",
            self.operation.snapshot(),
            self.log.take()
        );
        false
    }

    fn cancel(&self, who: Who) {
        self.log.note("cancel");
        match who {
            Who::Source => self.source.cancel_with("stop"),
            Who::Handle => self.operation.cancel_with("stop"),
            Who::Parent => self.parent.cancel_with("stop"),
            Who::Outer => self.outer.cancel_with("stop"),
        };
    }

    /// What must hold once it has ended or was dropped. `dropped` says that it may have been dropped
    /// before its end, by the test or by what is around it; `grace` that all may go on for a while.
    fn check(self, what: &str, dropped: bool, grace: bool) {
        let seen = self.log.take();
        let count = |what: &str| seen.iter().filter(|entry| entry.starts_with(what)).count();
        let families = count("completed") + count("hook: ") + count("failed");
        let what = format!("{what}: {seen:?}");
        let status = self.operation.status();

        if self.polls == 0 {
            assert_eq!((status, families, count("lost")), (Status::Pending, 0, 0), "{what}");
        } else if status == Status::Pending {
            // What is around was cancelled before it began.
            assert_eq!((families, count("lost"), count("clean-up")), (0, 0, 0), "{what}");
        } else {
            assert!(status.is_final(), "{status}, {what}");
            assert_eq!(families, 1, "{what}");
            let family = if status == Status::Completed { "completed" } else { "hook: " };
            assert_eq!(count(family), 1, "{status}, {what}");
            assert_eq!(self.operation.reason().is_some(), self.operation.is_cancelled());
            // Clean-up has run, once, or someone was told that it was lost.
            assert_eq!(count("clean-up done") + count("lost"), 1, "{what}");
            assert!(count("clean-up begun") <= 1, "{what}");
            if !dropped {
                assert_eq!(count("lost"), 0, "nobody dropped it: {what}");
                assert_eq!(count("section begun"), count("section done"), "{what}");
            }
        }
        if let Some(outcome) = &self.outcome {
            if status == Status::Completed {
                assert!(outcome.is_ok() || self.outer.is_cancelled(), "{what}");
            } else {
                assert!(outcome.is_err(), "{what}");
            }
        }
        // What follows the section does not run where a cancellation has waited for its end.
        let at = |what: &str| seen.iter().position(|entry| entry == what);
        if let (Some(cancel), false) = (at("cancel"), grace) {
            let waited = at("section begun").is_some_and(|begun| begun < cancel)
                && at("section done").is_some_and(|done| done > cancel);
            assert!(!waited || at("after section").is_none(), "{what}");
        }
        let below = self.below.status();
        assert!(below == Status::Pending || below.is_final(), "{below}, {what}");

        assert_eq!(kept(&self.wakes), 0, "in no list any more: {what}");
        assert_eq!(Arc::strong_count(&self.held), 1, "nothing holds anything: {what}");
        assert!(Operation::current().is_none());
    }
}

/// Gives an operation hooks that hold something.
fn hold_in_hooks(operation: &Operation, held: &Arc<()>) {
    let [a, b, c, d] = [(); 4].map(|()| held.clone());
    operation.on_complete(move |_| drop(a));
    operation.on_cancel(move |_, _| drop(b));
    operation.on_error(move |_, _| drop(c));
    operation.on_progress(move |_, _| drop(d.clone()));
}

/// Every kind of run.
fn every_kind(mut test: impl FnMut(Option<Duration>, Around)) {
    for grace in [None, Some(Duration::ZERO), Some(LONG)] {
        for around in [Around::Nothing, Around::Plain, Around::Operation] {
            test(grace, around);
        }
    }
}

/// How many polls it takes with nothing done to it.
fn length(grace: Option<Duration>, around: Around) -> usize {
    let mut trial = Trial::new(grace, around);
    while !trial.poll() {}
    assert_eq!(trial.outcome, Some(Ok(7)));
    let polls = trial.polls;
    trial.check("untouched", false, false);
    polls
}

#[test]
fn g09_dropped_before_every_poll() {
    let _watchdog = support::watchdog();
    every_kind(|grace, around| {
        let length = length(grace, around);
        assert!(length > 8, "there are that many awaits");
        for polls in 0..=length {
            let mut trial = Trial::new(grace, around);
            for _ in 0..polls {
                trial.poll();
            }
            let dropped = trial.run.take().is_some();
            let what = format!("{grace:?} {around:?} dropped after {polls}");
            assert_eq!(dropped, polls < length, "{what}");
            if dropped && polls == 0 {
                // Hooks of one that never started are its own until its last handle goes.
                let Trial { operation, held, log, .. } = trial;
                assert_eq!(operation.status(), Status::Pending);
                assert_eq!(log.take(), [""; 0]);
                drop(operation);
                assert_eq!(Arc::strong_count(&held), 1, "{what}");
                continue;
            }
            if dropped && trial.operation.status() != Status::Completed {
                assert_eq!(trial.operation.reason(), Some(Reason::Dropped), "{what}");
            }
            trial.check(&what, dropped, grace.is_some());
        }
    });
}

#[test]
fn g09_cancelled_before_every_poll() {
    let _watchdog = support::watchdog();
    every_kind(|grace, around| {
        for who in everyone(around) {
            for polls in 0..=length(grace, around) {
                let mut trial = Trial::new(grace, around);
                for _ in 0..polls {
                    trial.poll();
                }
                trial.cancel(who);
                let what = format!("{grace:?} {around:?} by {who:?} after {polls}");
                while !trial.poll() {}
                if trial.operation.status() == Status::Pending {
                    assert_eq!((who, polls), (Who::Outer, 0), "{what}");
                    continue;
                }
                if let (Some(Err(cancelled)), Around::Nothing) = (&trial.outcome, around) {
                    assert_eq!(cancelled.reason().root(), &Reason::manual("stop"), "{what}");
                    assert_eq!(Some(cancelled.reason().clone()), trial.operation.reason());
                }
                // One that is cut by what is around it has a grace that nobody waits for.
                let cut = who == Who::Outer;
                trial.check(&what, cut, grace.is_some_and(|grace| grace > Duration::ZERO));
            }
        }
    });
}

#[test]
fn g09_cancelled_then_dropped_at_every_poll() {
    let _watchdog = support::watchdog();
    every_kind(|grace, around| {
        for who in everyone(around) {
            let length = length(grace, around);
            for polls in 1..=length {
                for later in 0..=(length + 4 - polls) {
                    let mut trial = Trial::new(grace, around);
                    for _ in 0..polls {
                        trial.poll();
                    }
                    trial.cancel(who);
                    let mut over = trial.run.is_none();
                    for _ in 0..later {
                        over = over || trial.poll();
                    }
                    drop(trial.run.take());
                    let what = format!(
                        "{grace:?} {around:?} by {who:?} after {polls}, dropped {later} later"
                    );
                    let grace = grace.is_some_and(|grace| grace > Duration::ZERO);
                    trial.check(&what, !over || who == Who::Outer, grace);
                }
            }
        }
    });
}
