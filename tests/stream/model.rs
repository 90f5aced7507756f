//! Random sequences against a model.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Poll;

use cancelable::prelude::*;
use futures::Stream;
use futures::StreamExt;
use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, prop_oneof};

use crate::feed::{Tap, feed, next};
use crate::support::{self, Wakes, kept};

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    End,
    Fire,
    /// Through the handle of the operation.
    Cancel,
    Poll,
    /// From here on, polls use another waker.
    NewWaker,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Whether it is an operation. If not, `Cancel` does nothing.
    tracked: bool,
    /// The chunk size; zero: single items.
    chunk: usize,
    keep: usize,
    cleans_up: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Push),
        1 => Just(Step::End),
        1 => Just(Step::Fire),
        1 => Just(Step::Cancel),
        10 => Just(Step::Poll),
        1 => Just(Step::NewWaker),
    ];
    collection::vec(step, 0..80)
}

fn plans() -> impl Strategy<Value = Plan> {
    (any::<bool>(), 0..4_usize, 0..6_usize, any::<bool>())
        .prop_map(|(tracked, chunk, keep, cleans_up)| Plan { tracked, chunk, keep, cleans_up })
}

/// The result of a poll. A single item is a chunk of one.
#[derive(Clone, Debug, PartialEq)]
enum Out {
    Pending,
    Items(Vec<u32>),
    Cancelled(Reason),
    End,
}

/// The expected behaviour, written as simply as possible.
#[derive(Debug, Default)]
struct Model {
    source: VecDeque<u32>,
    ended: bool,
    fired: bool,
    /// Through the handle. The operation notices that at once, and the source only when polled.
    cancelled: bool,
    /// Every item pulled so far.
    pulled: Vec<u32>,
    hand: Vec<u32>,
    polled: bool,
    over: Option<Option<Reason>>,
    /// Whether the inner stream has been dropped.
    dropped: bool,
    /// Whether the last poll was pending, so that the next change has to wake the task.
    waiting: bool,
}

impl Model {
    fn poll(&mut self, plan: Plan) -> Out {
        self.polled = true;
        self.waiting = false;
        if self.over.is_some() {
            return Out::End;
        }
        while !self.dropped {
            if self.fired || self.cancelled {
                let reason = Reason::manual(if self.cancelled { "handle" } else { "source" });
                self.dropped = true;
                self.over = Some(Some(reason.clone()));
                return Out::Cancelled(reason);
            }
            if let Some(item) = self.source.pop_front() {
                self.pulled.push(item);
                self.hand.push(item);
                if self.hand.len() >= plan.chunk {
                    return Out::Items(std::mem::take(&mut self.hand));
                }
            } else if self.ended {
                self.dropped = true;
                if !self.hand.is_empty() {
                    return Out::Items(std::mem::take(&mut self.hand));
                }
            } else {
                self.waiting = true;
                return Out::Pending;
            }
        }
        self.over = Some(None);
        Out::End
    }

    /// The items in the partial result.
    fn kept(&self, plan: Plan, gone: bool) -> Vec<u32> {
        let in_hand = if gone { self.hand.len() } else { 0 };
        let room = plan.keep.max(in_hand);
        self.pulled[self.pulled.len().saturating_sub(room)..].to_vec()
    }
}

type Items = Pin<Box<dyn Stream<Item = Result<Vec<u32>, Cancelled>>>>;

fn run(plan: Plan, steps: &[Step]) {
    let ((feed, tap), token): ((_, Tap), _) = (feed(), CancellationToken::new());
    let stream = feed.cancelable(token.clone()).keep_last(plan.keep);
    let tracked = plan.tracked.then(|| (stream.operation(), stream.partial()));
    let single = |item: Result<u32, Cancelled>| item.map(|item| vec![item]);
    let mut stream: Items = match (plan.chunk, plan.cleans_up && plan.tracked) {
        (0, false) => Box::pin(stream.map(single)),
        (0, true) => Box::pin(stream.finally(|_| async {}).map(single)),
        (size, false) => Box::pin(stream.chunks(size)),
        (size, true) => Box::pin(stream.chunks(size).finally(|_| async {})),
    };
    let (mut model, mut wakes) = (Model::default(), Wakes::new());
    for (number, step) in steps.iter().enumerate() {
        let (woken, waiting) = (wakes.count(), model.waiting);
        let mut changes = true;
        match step {
            Step::Push => {
                tap.push(number as u32);
                model.source.push_back(number as u32);
            }
            Step::End => {
                tap.end();
                model.ended = true;
            }
            Step::Fire => {
                token.cancel_with("source");
                model.fired = true;
            }
            Step::Cancel => match &tracked {
                Some((operation, _)) => {
                    operation.cancel_with("handle");
                    model.cancelled = true;
                }
                None => changes = false,
            },
            Step::NewWaker => {
                // A waiting task is polled with it.
                changes = false;
                wakes = Wakes::new();
                model.waiting = false;
            }
            Step::Poll => {
                changes = false;
                let expected = model.poll(plan);
                let out = match next(stream.as_mut(), &wakes) {
                    Poll::Pending => Out::Pending,
                    Poll::Ready(Some(Ok(items))) => Out::Items(items),
                    Poll::Ready(Some(Err(cancelled))) => Out::Cancelled(cancelled.into_reason()),
                    Poll::Ready(None) => Out::End,
                };
                assert_eq!(out, expected, "step {number}");
            }
        }
        if waiting && changes {
            assert!(wakes.count() > woken, "step {number}: {step:?} wakes");
            model.waiting = false;
        }
        assert_eq!(tap.left(), model.source.len(), "step {number}");
        assert_eq!(tap.drops(), usize::from(model.dropped), "step {number}");
        if let Some((operation, partial)) = &tracked {
            let status = match (&model.over, model.polled) {
                (Some(None), _) => Status::Completed,
                (Some(Some(_)), _) => Status::Cancelled,
                (None, false) => Status::Pending,
                (None, true) if operation.is_cancelled() => Status::Cancelling,
                (None, true) => Status::Running,
            };
            assert_eq!(operation.status(), status, "step {number}");
            assert_eq!(partial.count(), model.pulled.len() as u64);
            let gone = matches!(model.over, Some(Some(_)));
            assert_eq!(partial.items(), model.kept(plan, gone), "step {number}");
        }
    }
    drop(stream);
    assert_eq!((tap.drops(), kept(&wakes)), (1, 0));
    if let Some((operation, partial)) = tracked {
        assert_eq!(partial.take(), model.kept(plan, !matches!(model.over, Some(None))));
        match model.over {
            Some(Some(reason)) => assert_eq!(operation.reason(), Some(reason)),
            Some(None) => assert_eq!(operation.status(), Status::Completed),
            None if model.polled => assert_eq!(operation.status(), Status::Cancelled),
            None => assert_eq!(operation.status(), Status::Pending),
        }
    }
}

#[test]
fn random_steps() {
    let _watchdog = support::watchdog();
    proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        cases: 1024,
        failure_persistence: None,
        ..Default::default()
    })
    .run(&(plans(), steps()), |(plan, steps)| {
        run(plan, &steps);
        Ok(())
    })
    .unwrap();
}
