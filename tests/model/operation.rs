//! Operations: random sequences of polls, sources, shields, clean-up and drops.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cancelable::prelude::*;
use proptest::prelude::*;

use crate::support::{self, Tally, Wakes, check_random};

/// One thing that the test does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Poll,
    Fire(usize),
    Cancel,
    CancelParent,
    /// What the work does in its next poll.
    Work(Act),
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    EnterShield,
    LeaveShield,
    Finish,
}

/// How the operation is built.
#[derive(Clone, Copy, Debug)]
struct Setup {
    /// How often its clean-up is pending; `None` is no clean-up.
    clean_up: Option<usize>,
    /// Whether it is inside a race that is never cancelled.
    around: bool,
}

fn reason_of_source(number: usize) -> Reason {
    Reason::from(format!("source {number}"))
}

/// The model: the state of the operation, and how it ended.
#[derive(Debug, Default)]
struct Model {
    fired: [bool; 2],
    cause: Option<Reason>,
    /// The next acts of the work, and how many shields it is in.
    acts: VecDeque<Act>,
    depth: usize,
    polls: usize,
    started: bool,
    /// Set once the work has ended: the value of the work, and how many more times the clean-up is pending.
    over: Option<(Option<u32>, usize)>,
    status: Option<Status>,
}

impl Model {
    fn status(&self) -> Status {
        match self.status {
            Some(status) => status,
            None if !self.started => Status::Pending,
            None if self.cause.is_some() => Status::Cancelling,
            None => Status::Running,
        }
    }

    fn cancel(&mut self, reason: Reason) -> bool {
        let first = self.status.is_none() && self.cause.is_none();
        if first {
            self.cause = Some(reason);
        }
        first
    }

    /// Polls the operation. Returns whether it is ready, and the value of the work, if any.
    fn poll(&mut self, setup: Setup) -> Poll<Option<u32>> {
        if self.over.is_none() {
            let first = !std::mem::replace(&mut self.started, true);
            if let Some(number) = self.fired.iter().position(|fired| *fired) {
                self.cancel(reason_of_source(number));
            }
            let cancelling = self.cause.is_some();
            let value = if first && cancelling { None } else { self.work(cancelling) };
            if value.is_none() && (!cancelling || self.depth > 0) {
                return Poll::Pending;
            }
            // The poll after the last pending one is ready.
            self.over = Some((value, setup.clean_up.unwrap_or(0) + 1));
        }
        let Some((value, left)) = &mut self.over else { unreachable!() };
        *left -= 1;
        if *left > 0 {
            return Poll::Pending;
        }
        self.status = Some(if value.is_some() { Status::Completed } else { Status::Cancelled });
        Poll::Ready(*value)
    }

    /// Polls the work.
    fn work(&mut self, cancelling: bool) -> Option<u32> {
        self.polls += 1;
        while let Some(act) = self.acts.pop_front() {
            match act {
                // If the operation is being cancelled, no new shield begins, and the code after a shield does not run.
                Act::EnterShield if self.depth == 0 && cancelling => return None,
                Act::LeaveShield if self.depth == 1 && cancelling => {
                    self.depth = 0;
                    return None;
                }
                Act::EnterShield => self.depth += 1,
                Act::LeaveShield => self.depth = self.depth.saturating_sub(1),
                Act::Finish if self.depth == 0 => return Some(7),
                Act::Finish => {}
            }
        }
        None
    }

    fn drop(&mut self) {
        if self.status.is_none() {
            self.cause.get_or_insert(Reason::Dropped);
            self.status = Some(Status::Cancelled);
        }
    }
}

type Acts = Rc<RefCell<VecDeque<Act>>>;

/// A section that ends when the test says so.
fn section(acts: Acts) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        loop {
            let act = acts.borrow_mut().pop_front();
            match act {
                None => futures::pending!(),
                Some(Act::EnterShield) => shield(section(acts.clone())).await,
                Some(Act::LeaveShield) => return,
                Some(Act::Finish) => {}
            }
        }
    })
}

/// Work that does what the test says, and counts its polls and its drop.
fn work(acts: Acts, tally: &Arc<Tally>) -> impl Future<Output = u32> + use<> {
    let counter = tally.ready_at(0);
    let steps = async move {
        loop {
            let act = acts.borrow_mut().pop_front();
            match act {
                None => futures::pending!(),
                Some(Act::EnterShield) => shield(section(acts.clone())).await,
                Some(Act::LeaveShield) => {}
                Some(Act::Finish) => return 7,
            }
        }
    };
    async move {
        let (mut counter, mut steps) = (Box::pin(counter), Box::pin(steps));
        std::future::poll_fn(|cx| {
            assert!(counter.as_mut().poll(cx).is_pending());
            steps.as_mut().poll(cx)
        })
        .await
    }
}

fn follow(setup: Setup, steps: &[Step]) {
    let mut model = Model::default();
    let sources = [CancellationToken::new(), CancellationToken::new()];
    let parent_run = async {}.cancelable(never()).named("parent");
    let parent = parent_run.operation();
    let (acts, tally, wakes) = (Acts::default(), Tally::new(), Wakes::new());
    let families = Arc::<Mutex<Vec<Status>>>::default();

    let run = work(acts.clone(), &tally)
        .cancelable(any_of((sources[0].clone(), sources[1].clone())))
        .child_of(&parent);
    let operation = run.operation();
    for _ in 0..2 {
        let [completed, cancelled, failed] = [(); 3].map(|()| families.clone());
        operation.on_complete(move |_| completed.lock().unwrap().push(Status::Completed));
        operation.on_cancel(move |_, _| cancelled.lock().unwrap().push(Status::Cancelled));
        operation.on_error(move |_, _| failed.lock().unwrap().push(Status::Failed));
    }
    let run: Pin<Box<dyn Future<Output = Result<u32, Cancelled>>>> = match setup.clean_up {
        None => Box::pin(run),
        Some(times) => Box::pin(run.finally(move |_| async move {
            for _ in 0..times {
                futures::pending!();
            }
        })),
    };
    let mut run = Some(if setup.around {
        Box::pin(async { run.cancelable(never()).await.unwrap() })
    } else {
        run
    });

    for step in steps {
        match *step {
            Step::Poll => {
                let Some(polled) = &mut run else { continue };
                let expected = model.poll(setup);
                match (wakes.poll(polled.as_mut()), expected) {
                    (Poll::Pending, Poll::Pending) => {}
                    (Poll::Ready(outcome), Poll::Ready(value)) => {
                        assert_eq!(outcome.as_ref().ok(), value.as_ref());
                        if let Err(cancelled) = outcome {
                            assert_eq!(Some(cancelled.reason()), model.cause.as_ref());
                        }
                        run = None;
                    }
                    (polled, expected) => panic!("{polled:?}, and not {expected:?}"),
                }
            }
            Step::Fire(number) => {
                let reason = reason_of_source(number);
                assert_eq!(sources[number].cancel_with(reason), !model.fired[number]);
                model.fired[number] = true;
            }
            Step::Cancel => {
                let expected = model.cancel(Reason::manual("handle"));
                assert_eq!(operation.cancel_with("handle"), expected);
            }
            Step::CancelParent => {
                if parent.cancel_with("parent") {
                    let name = Some("parent".into());
                    model.cancel(Reason::parent_named(name, Reason::manual("parent")));
                }
            }
            Step::Work(act) => {
                acts.borrow_mut().push_back(act);
                model.acts.push_back(act);
            }
            Step::Drop => {
                if run.take().is_some() {
                    model.drop();
                }
            }
        }
        assert_eq!(operation.status(), model.status(), "after {step:?}");
        assert_eq!(operation.reason(), model.cause, "after {step:?}");
        assert_eq!(operation.snapshot().reason, model.cause);
        assert_eq!(operation.is_cancelled(), model.cause.is_some());
        assert_eq!(tally.polls(), model.polls, "polls of the work after {step:?}");
        let gone = run.is_none() || model.over.is_some();
        assert_eq!(tally.drops(), usize::from(gone), "after {step:?}");
        let called = model.status.iter().filter(|_| model.started);
        let hooks: Vec<_> = called.flat_map(|status| [*status; 2]).collect();
        assert_eq!(*families.lock().unwrap(), hooks, "after {step:?}");
        if run.is_none() {
            assert_eq!(Arc::strong_count(&wakes), 1, "registered nowhere");
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => Just(Step::Poll),
        2 => (0..2usize).prop_map(Step::Fire),
        2 => Just(Step::Cancel),
        1 => Just(Step::CancelParent),
        4 => Just(Step::Work(Act::EnterShield)),
        4 => Just(Step::Work(Act::LeaveShield)),
        1 => Just(Step::Work(Act::Finish)),
        1 => Just(Step::Drop),
    ];
    proptest::collection::vec(step, 0..30)
}

#[test]
fn random_sequences() {
    let _watchdog = support::watchdog();
    let setup = (proptest::option::of(0..3usize), any::<bool>());
    check_random(4000, (setup, steps()), |((clean_up, around), steps)| {
        follow(Setup { clean_up, around }, &steps);
    });
}

/// Runs every short sequence, so that finding a fault in one of them does not depend on luck.
#[test]
fn all_short_sequences() {
    let _watchdog = support::watchdog();
    let steps = [
        Step::Poll,
        Step::Fire(0),
        Step::Cancel,
        Step::Work(Act::EnterShield),
        Step::Work(Act::LeaveShield),
        Step::Work(Act::Finish),
        Step::Drop,
    ];
    for length in 1..=5u32 {
        for number in 0..steps.len().pow(length) {
            let sequence: Vec<_> = (0..length)
                .map(|place| steps[number / steps.len().pow(place) % steps.len()])
                .collect();
            for clean_up in [None, Some(1)] {
                follow(Setup { clean_up, around: false }, &sequence);
            }
        }
    }
}
