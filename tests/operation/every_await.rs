//! Operations that are cancelled or dropped at each of their awaits. Each of them has exactly one final status, runs the
//! hooks of exactly one kind, and leaves nothing registered.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Log, Wakes, kept};

/// More polls than any of the operations takes.
const ENOUGH: usize = 60;

const LONG: Duration = Duration::from_secs(3600);

type Run = Pin<Box<dyn Future<Output = Result<u32, Cancelled>>>>;

/// What cancels the operation.
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

/// The code around the operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Around {
    Nothing,
    Plain,
    Operation,
}

/// An operation with a shield, a child, clean-up and perhaps a grace period.
struct Trial {
    log: Log,
    wakes: Arc<Wakes>,
    /// Everything that must be dropped holds a clone of this.
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

/// Is pending once, registered with a token that is never cancelled.
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
        let parent = support::unpolled("parent");

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

    /// Asserts what must hold after the end or the drop. If `dropped` is set, the operation may have been dropped before its
    /// end, by the test or by the race around it. If `grace` is set, it may have continued after the cancellation.
    fn check(self, what: &str, dropped: bool, grace: bool) {
        let seen = self.log.take();
        let count = |what: &str| seen.iter().filter(|entry| entry.starts_with(what)).count();
        let families = count("completed") + count("hook: ") + count("failed");
        let what = format!("{what}: {seen:?}");
        let status = self.operation.status();

        if self.polls == 0 {
            assert_eq!((status, families, count("lost")), (Status::Cancelled, 0, 0), "{what}");
        } else if !self.operation.snapshot().started {
            // The race around the operation was cancelled before the operation started.
            assert_eq!((families, count("lost"), count("clean-up")), (0, 0, 0), "{what}");
        } else {
            assert!(status.is_final(), "{status}, {what}");
            assert_eq!(families, 1, "{what}");
            let family = if status == Status::Completed { "completed" } else { "hook: " };
            assert_eq!(count(family), 1, "{status}, {what}");
            assert_eq!(self.operation.reason().is_some(), self.operation.is_cancelled());
            // Clean-up has run once, or was reported as lost.
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
        // Code after the section does not run if a cancellation was waiting.
        let at = |what: &str| seen.iter().position(|entry| entry == what);
        if let (Some(cancel), false) = (at("cancel"), grace) {
            let waited = at("section begun").is_some_and(|begun| begun < cancel)
                && at("section done").is_some_and(|done| done > cancel);
            assert!(!waited || at("after section").is_none(), "{what}");
        }
        let below = self.below.status();
        assert!(below.is_final(), "{below}, {what}");

        assert_eq!(kept(&self.wakes), 0, "in no list any more: {what}");
        assert_eq!(Arc::strong_count(&self.held), 1, "nothing holds anything: {what}");
        assert!(Operation::current().is_none());
    }
}

/// Adds hooks that capture something.
fn hold_in_hooks(operation: &Operation, held: &Arc<()>) {
    let [a, b, c, d] = [(); 4].map(|()| held.clone());
    operation.on_complete(move |_| drop(a));
    operation.on_cancel(move |_, _| drop(b));
    operation.on_error(move |_, _| drop(c));
    operation.on_progress(move |_, _| drop(d.clone()));
}

/// Runs `test` for every kind of operation.
fn every_kind(mut test: impl FnMut(Option<Duration>, Around)) {
    for grace in [None, Some(Duration::ZERO), Some(LONG)] {
        for around in [Around::Nothing, Around::Plain, Around::Operation] {
            test(grace, around);
        }
    }
}

/// Returns how many polls the operation takes if the test neither cancels nor drops it.
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
                let Trial { operation, held, log, .. } = trial;
                assert_eq!(operation.status(), Status::Cancelled);
                assert_eq!(log.take(), [""; 0]);
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
                if !trial.operation.snapshot().started {
                    assert_eq!((who, polls), (Who::Outer, 0), "{what}");
                    continue;
                }
                if let (Some(Err(cancelled)), Around::Nothing) = (&trial.outcome, around) {
                    assert_eq!(cancelled.reason().root(), &Reason::manual("stop"), "{what}");
                    assert_eq!(Some(cancelled.reason().clone()), trial.operation.reason());
                }
                // If the race around the operation is cancelled, it does not wait for the operation's grace period.
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
