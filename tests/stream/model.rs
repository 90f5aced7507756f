//! Random sequences against a model.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::Poll;

use cancelable::prelude::*;
use futures::{Stream, StreamExt, TryStreamExt};
use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, prop_oneof};

use crate::feed::{Tap, feed, next};
use crate::support::{self, Wakes, check_random, kept};

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    /// An error, if the stream is fallible.
    PushBad,
    End,
    Fire,
    /// Cancels the operation through its handle.
    Cancel,
    Poll,
    /// From here on, polls use another waker.
    NewWaker,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Whether the stream is an operation. If not, `Cancel` does nothing.
    tracked: bool,
    /// The chunk size. Zero means single items.
    chunk: usize,
    keep: usize,
    cleans_up: bool,
    /// Whether the items are results.
    fallible: bool,
}

/// Items from here on are errors, if the stream is fallible.
const BAD: u32 = 1_000_000;

#[derive(Debug, PartialEq)]
enum Failure {
    Bad(u32),
    Cancelled(Cancelled),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Failure::Cancelled(cancelled)
    }
}

fn check(item: u32) -> Result<u32, Failure> {
    if item < BAD { Ok(item) } else { Err(Failure::Bad(item)) }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Push),
        1 => Just(Step::PushBad),
        1 => Just(Step::End),
        1 => Just(Step::Fire),
        1 => Just(Step::Cancel),
        10 => Just(Step::Poll),
        1 => Just(Step::NewWaker),
    ];
    collection::vec(step, 0..80)
}

fn plans() -> impl Strategy<Value = Plan> {
    let plan = (any::<bool>(), 0..4_usize, 0..6_usize, any::<bool>(), any::<bool>());
    plan.prop_map(|(tracked, chunk, keep, cleans_up, fallible)| Plan {
        tracked,
        chunk,
        keep,
        cleans_up,
        fallible,
    })
}

/// The result of a poll. A single item is a chunk of one.
#[derive(Clone, Debug, PartialEq)]
enum Out {
    Pending,
    Items(Vec<u32>),
    Cancelled(Reason),
    Failed(u32),
    End,
}

#[derive(Debug)]
enum Over {
    Complete,
    Failed,
    Cancelled(Reason),
}

/// The expected behaviour, written as simply as possible.
#[derive(Debug, Default)]
struct Model {
    source: VecDeque<u32>,
    ended: bool,
    fired: bool,
    /// Set by a cancellation through the handle. The operation notices that at once, but the source fires only in
    /// a poll.
    cancelled: bool,
    /// Every item pulled so far.
    pulled: Vec<u32>,
    hand: Vec<u32>,
    polled: bool,
    over: Option<Over>,
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
                self.over = Some(Over::Cancelled(reason.clone()));
                return Out::Cancelled(reason);
            }
            if let Some(item) = self.source.pop_front() {
                if plan.fallible && item >= BAD {
                    self.dropped = true;
                    self.over = Some(Over::Failed);
                    return Out::Failed(item);
                }
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
        self.over = Some(Over::Complete);
        Out::End
    }

    /// The items in the partial result.
    fn kept(&self, plan: Plan, gone: bool) -> Vec<u32> {
        let in_hand = if gone { self.hand.len() } else { 0 };
        let room = plan.keep.max(in_hand);
        self.pulled[self.pulled.len().saturating_sub(room)..].to_vec()
    }
}

type Items = Pin<Box<dyn Stream<Item = Result<Vec<u32>, Failure>>>>;

/// Builds the stream that `$plan` describes, from a stream of items or results.
macro_rules! build {
    ($plan:ident, $stream:ident) => {{
        let stream = $stream.keep_last($plan.keep);
        let tracked = $plan.tracked.then(|| (stream.operation(), stream.partial()));
        let stream: Items = match ($plan.chunk, $plan.cleans_up && $plan.tracked) {
            (0, false) => Box::pin(stream.map_ok(|item| vec![item]).err_into()),
            (0, true) => {
                let stream = stream.finally(|_| async {});
                Box::pin(stream.map_ok(|item| vec![item]).err_into())
            }
            (size, false) => Box::pin(stream.chunks(size).err_into()),
            (size, true) => Box::pin(stream.chunks(size).finally(|_| async {}).err_into()),
        };
        (tracked, stream)
    }};
}

fn run(plan: Plan, steps: &[Step]) {
    let ((feed, tap), token): ((_, Tap), _) = (feed(), CancellationToken::new());
    let (tracked, mut stream) = if plan.fallible {
        let stream = feed.map(check).try_cancelable_stream(token.clone());
        build!(plan, stream)
    } else {
        let stream = feed.cancelable_stream(token.clone());
        build!(plan, stream)
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
            Step::PushBad => {
                tap.push(BAD + number as u32);
                model.source.push_back(BAD + number as u32);
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
                // A waiting task is polled with the new waker.
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
                    Poll::Ready(Some(Err(Failure::Bad(item)))) => Out::Failed(item),
                    Poll::Ready(Some(Err(Failure::Cancelled(cancelled)))) => {
                        Out::Cancelled(cancelled.into_reason())
                    }
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
                (Some(Over::Complete), _) => Status::Completed,
                (Some(Over::Failed), _) => Status::Failed,
                (Some(Over::Cancelled(_)), _) => Status::Cancelled,
                (None, false) => Status::Pending,
                (None, true) if operation.is_cancelled() => Status::Cancelling,
                (None, true) => Status::Running,
            };
            assert_eq!(operation.status(), status, "step {number}");
            assert_eq!(partial.count(), model.pulled.len() as u64);
            let gone = matches!(model.over, Some(Over::Failed | Over::Cancelled(_)));
            assert_eq!(partial.items(), model.kept(plan, gone), "step {number}");
        }
    }
    drop(stream);
    assert_eq!((tap.drops(), kept(&wakes)), (1, 0));
    if let Some((operation, partial)) = tracked {
        assert_eq!(partial.take(), model.kept(plan, !matches!(model.over, Some(Over::Complete))));
        match model.over {
            Some(Over::Cancelled(reason)) => assert_eq!(operation.reason(), Some(reason)),
            Some(Over::Failed) => assert_eq!(operation.status(), Status::Failed),
            Some(Over::Complete) => assert_eq!(operation.status(), Status::Completed),
            None => assert_eq!(operation.status(), Status::Cancelled),
        }
    }
}

#[test]
fn random_steps() {
    let _watchdog = support::watchdog();
    check_random(1024, (plans(), steps()), |(plan, steps)| run(plan, &steps));
}
