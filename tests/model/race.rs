//! Races: work that is ready at some poll, and a source that fires before some poll.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use cancelable::{CancelableExt, CancellationToken, Reason};
use proptest::prelude::{Strategy, any};

use crate::support::{self, Wakes, check_random};

/// One race. Polls count from 1; 0 is never.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The work is ready at this poll of its own.
    ready_at: usize,
    /// The source fires before this poll of the race.
    fired_before: usize,
    /// The work fires the source in this poll of its own.
    fires_in: usize,
    /// From this poll of the race on, another waker is used.
    waker_changes_before: usize,
    /// The race is dropped after this many polls.
    polls: usize,
}

fn plans() -> impl Strategy<Value = Plan> {
    (0..6usize, 0..6usize, 0..6usize, 0..6usize, 0..7usize).prop_map(
        |(ready_at, fired_before, fires_in, waker_changes_before, polls)| Plan {
            ready_at,
            fired_before,
            fires_in,
            waker_changes_before,
            polls,
        },
    )
}

/// The model: the state of the race.
#[derive(Default)]
struct Model {
    polls: usize,
    work_polls: usize,
    fired: bool,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Value(usize),
    Cancelled,
}

impl Model {
    /// Polls the work once. Returns whether it is ready.
    fn poll_work(&mut self, plan: &Plan) -> bool {
        self.work_polls += 1;
        self.fired |= self.work_polls == plan.fires_in;
        self.work_polls == plan.ready_at
    }

    /// Polls the race once.
    fn poll(&mut self, plan: &Plan) -> Option<Outcome> {
        self.polls += 1;
        self.fired |= self.polls == plan.fired_before;
        let first = self.polls == 1;
        let mut seen = self.fired;
        if first && seen {
            return Some(Outcome::Cancelled);
        }
        if self.poll_work(plan) {
            return Some(Outcome::Value(self.work_polls));
        }
        // After the first poll of the work, the source is polled again. If it has fired, the work is polled again, too.
        if first && self.fired {
            seen = true;
            if self.poll_work(plan) {
                return Some(Outcome::Value(self.work_polls));
            }
        }
        seen.then_some(Outcome::Cancelled)
    }
}

/// The work under test.
struct Work {
    plan: Plan,
    source: CancellationToken,
    polls: Arc<AtomicUsize>,
    drops: Arc<AtomicUsize>,
}

impl Future for Work {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<usize> {
        let polls = self.polls.fetch_add(1, Ordering::Relaxed) + 1;
        if polls == self.plan.fires_in {
            self.source.cancel_with("fired");
        }
        if polls == self.plan.ready_at { Poll::Ready(polls) } else { Poll::Pending }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

fn run(plan: Plan, fallible: bool) {
    let source = CancellationToken::new();
    let (polls, drops) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let work = Work { plan, source: source.clone(), polls: polls.clone(), drops: drops.clone() };
    let mut race: Pin<Box<dyn Future<Output = Result<usize, cancelable::Cancelled>>>> = if fallible
    {
        // The same with `try_cancelable`. The only difference is that it returns a single `Result`.
        Box::pin(Fallible(work).try_cancelable(&source))
    } else {
        Box::pin(work.cancelable(&source))
    };

    let mut model = Model::default();
    let mut waker = Wakes::new();
    let mut count = 0;
    for poll in 1..=plan.polls {
        if poll == plan.fired_before {
            source.cancel_with("fired");
        }
        // If the source has fired since the last poll, the task has been woken.
        if poll > 1 {
            assert_eq!(waker.count() > count, source.is_cancelled(), "woken before poll {poll}");
        }
        if poll == plan.waker_changes_before {
            waker = Wakes::new();
        }
        let expected = model.poll(&plan);
        let outcome = match waker.poll(race.as_mut()) {
            Poll::Pending => None,
            Poll::Ready(Ok(value)) => Some(Outcome::Value(value)),
            Poll::Ready(Err(cancelled)) => {
                assert_eq!(cancelled.reason(), &Reason::manual("fired"));
                Some(Outcome::Cancelled)
            }
        };
        assert_eq!(outcome, expected, "poll {poll}");
        assert_eq!(polls.load(Ordering::Relaxed), model.work_polls, "polls of the work");
        let over = outcome.is_some();
        assert_eq!(drops.load(Ordering::Relaxed), usize::from(over), "drops of the work");
        if over {
            assert_eq!(Arc::strong_count(&waker), 1, "the source still holds the waker");
            break;
        }
        if !source.is_cancelled() {
            count = waker.count();
        }
    }
    drop(race);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(polls.load(Ordering::Relaxed), model.work_polls);
    assert_eq!(Arc::strong_count(&waker), 1, "the source still holds the waker");
}

/// Makes work that cannot fail into work that can.
struct Fallible(Work);

impl Future for Fallible {
    type Output = Result<usize, cancelable::Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Ok)
    }
}

#[test]
fn random_races() {
    let _watchdog = support::watchdog();
    check_random(3000, (plans(), any::<bool>()), |(plan, fallible)| run(plan, fallible));
}
