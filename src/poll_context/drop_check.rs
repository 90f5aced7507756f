//! `DropCheck`: whether a race is about to drop this future, asked by a future that would stay pending if so.
//!
//! The [frame](crate::frame) of the thread says that a race is about to drop its work. It does not say that the future
//! is part of that work: the thread may be running an executor inside of the race, or a `block_on`. The rule:
//!
//! 1. If no race on the thread is about to drop its work, the answer is no.
//! 2. A race that waits for shields polls its work with a [`Tracer`]. A future that it reaches by the wakers of
//!    combinators only is part of the work. The future stays pending, and is woken if it outlives the work. Any other
//!    future is not part of the work. It is believed to be one after two such tests.
//! 3. A race without shields drops its work after this very poll. The future wakes itself and stays pending. If it is
//!    polled more than [`POLLS`] times in that one poll of the race, the race cannot go on before the future does: the
//!    answer is no. A `FuturesUnordered` polls a part that wakes itself at most twice in each of its own polls, and so
//!    at most 2^n times if n of them are nested.
//!
//! So a future that stays pending has always arranged to be woken: by itself, or by the race when its work is gone.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::tracer::{Reached, Tracer, tracer_of};
use crate::frame::dropping;
use crate::panic::contain;

/// How often a future that is about to be dropped may be polled in the last poll of a race.
const POLLS: u32 = 64;

/// How many tests have to say that a future is not part of the work.
const TESTS: u32 = 2;

/// What a future knows about the race that is about to drop its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enclosure {
    /// The future is not part of the work, or no race is about to drop its work.
    Outside,
    /// The future may be part of the work. It has woken itself, to ask again.
    Unknown,
    /// The future is part of the work.
    Inside,
}

/// Remembers what a future has found out. It takes one word until a race is about to drop its work.
#[derive(Debug, Default)]
pub(crate) struct DropCheck(Option<Box<Findings>>);

#[derive(Debug)]
struct Findings {
    race: u64,
    /// Polls in which nothing could be told.
    polls: u32,
    /// Tests that said that the future is not part of the work.
    tests: u32,
    kept: Option<Kept>,
}

/// The waker that the race is to wake if the future outlives the work.
#[derive(Debug)]
struct Kept {
    tracer: Arc<Tracer>,
    place: usize,
    waker: Waker,
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.tracer.give_back(self.place));
    }
}

impl DropCheck {
    /// Whether a race around this poll is going to drop the future, so that it has to stay pending. The future is
    /// woken if it is not dropped.
    #[inline]
    pub(crate) fn expects_drop(&mut self, cx: &Context<'_>) -> bool {
        match dropping() {
            0 => false,
            race => self.ask(race, cx) != Enclosure::Outside,
        }
    }

    /// Says whether the future is part of the work that a race around this poll is about to drop.
    pub(crate) fn enclosure(&mut self, cx: &Context<'_>) -> Enclosure {
        match dropping() {
            0 => Enclosure::Outside,
            race => self.ask(race, cx),
        }
    }

    #[cold]
    fn ask(&mut self, race: u64, cx: &Context<'_>) -> Enclosure {
        if self.0.as_ref().is_none_or(|findings| findings.race != race) {
            self.0 = Some(Box::new(Findings { race, polls: 0, tests: 0, kept: None }));
        }
        let Some(findings) = &mut self.0 else { return Enclosure::Outside };
        findings.ask(cx.waker())
    }
}

impl Findings {
    fn ask(&mut self, waker: &Waker) -> Enclosure {
        if let Some(kept) = &self.kept {
            if kept.waker.will_wake(waker) {
                return Enclosure::Inside;
            }
            // Another waker polls it: perhaps it was handed to a `block_on`.
            self.kept = None;
        }
        if self.tests >= TESTS || self.polls >= POLLS {
            return Enclosure::Outside;
        }
        if let Some(tracer) = tracer_of(self.race) {
            match tracer.test(waker) {
                Reached::Yes => {
                    let place = tracer.keep(waker.clone());
                    self.kept = Some(Kept { tracer, place, waker: waker.clone() });
                    return Enclosure::Inside;
                }
                Reached::No => {
                    // It has woken itself in the test.
                    self.tests += 1;
                    let outside = self.tests >= TESTS;
                    return if outside { Enclosure::Outside } else { Enclosure::Unknown };
                }
                Reached::Unclear => {}
            }
        }
        self.polls += 1;
        let _ = contain(|| waker.wake_by_ref());
        Enclosure::Unknown
    }
}
