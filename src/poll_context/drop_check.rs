//! `DropCheck`: finds out whether a race is about to drop a future, for futures that stay pending if so.
//!
//! The [frame](crate::frame) of the thread says that a race is about to drop its work. It does not say that the future
//! is part of that work: the thread may be running an executor inside the race, or a `block_on`. The rule:
//!
//! 1. If no race on the thread is about to drop its work, the answer is no.
//! 2. A race that waits for shields polls its work with a [`Tracer`]. The future wakes itself. If that reaches the race
//!    at once, the future is part of the work: it stays pending, and is woken if it outlives the work. After two tests
//!    that did not reach the race, the answer is no. Two tests are needed, because another thread may be waking a
//!    combinator at the very moment of the first. If the race has been woken earlier in its poll, a test cannot say no:
//!    the future asks again, in at most [`UNCLEAR_TESTS`] polls.
//! 3. A race without shields drops its work after this very poll. The future wakes itself and stays pending.
//! 4. If the future is polled more than [`POLLS`] times in one poll of the race, the race cannot continue before the
//!    future does: the answer is no. A `FuturesUnordered` polls a part that wakes itself at most twice in each of its own
//!    polls, and so at most 2^n times if n of them are nested.
//!
//! So a future that stays pending has always arranged to be woken: by itself, or by the race when its work is gone.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::tracer::{Reached, Tracer, innermost, tracer_of};
use crate::frame::dropping;
use crate::panic::contain;

/// How often a future that is about to be dropped may be polled in one poll of the race.
const POLLS: u32 = 64;

/// In how many polls the tests may fail to show whether a future is part of the work.
const UNCLEAR_TESTS: u32 = 1_000;

/// How many tests have to show that a future is not part of the work.
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
    /// The poll of the race in which the future was polled last, and how often.
    poll: usize,
    polls: u32,
    /// The number of tests that did not show whether the future is part of the work.
    unclear_tests: u32,
    /// The number of tests that showed that the future is not part of the work.
    tests: u32,
    /// Whether the future has turned out not to be part of the work.
    outside: bool,
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
    /// Returns whether a race around this poll is going to drop the future, so that it has to stay pending. The future
    /// is woken if it is not dropped.
    #[inline]
    pub(crate) fn expects_drop(&mut self, cx: &Context<'_>) -> bool {
        match dropping() {
            0 => false,
            race => self.ask(race, cx) != Enclosure::Outside,
        }
    }

    /// Returns whether the future is part of the work that a race around this poll is about to drop.
    pub(crate) fn enclosure(&mut self, cx: &Context<'_>) -> Enclosure {
        match dropping() {
            0 => Enclosure::Outside,
            race => self.ask(race, cx),
        }
    }

    /// Returns whether the future is part of the work of the innermost race that polls with a tracer, if there is one.
    pub(crate) fn traced_enclosure(&mut self, cx: &Context<'_>) -> Option<Enclosure> {
        let tracer = innermost()?;
        Some(self.ask(tracer.race(), cx))
    }

    #[cold]
    fn ask(&mut self, race: u64, cx: &Context<'_>) -> Enclosure {
        if self.0.as_ref().is_none_or(|findings| findings.race != race) {
            self.0 = Some(Box::new(Findings {
                race,
                poll: 0,
                polls: 0,
                unclear_tests: 0,
                tests: 0,
                outside: false,
                kept: None,
            }));
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
            // It is now polled with another waker: perhaps it was moved into a `block_on`.
            self.kept = None;
        }
        if self.outside {
            return Enclosure::Outside;
        }
        if let Some(tracer) = tracer_of(self.race) {
            if self.poll != tracer.polls() {
                (self.poll, self.polls) = (tracer.polls(), 0);
            }
            match tracer.test(waker) {
                Reached::Yes => {
                    let place = tracer.keep(waker.clone());
                    self.kept = Some(Kept { tracer, place, waker: waker.clone() });
                    return Enclosure::Inside;
                }
                // The test has woken the future.
                Reached::No => self.tests += 1,
                Reached::Unclear => self.unclear_tests += 1,
            }
        } else {
            let _ = contain(|| waker.wake_by_ref());
        }
        self.polls += 1;
        self.outside =
            self.tests >= TESTS || self.polls > POLLS || self.unclear_tests > UNCLEAR_TESTS;
        if self.outside { Enclosure::Outside } else { Enclosure::Unknown }
    }
}
