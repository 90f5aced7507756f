//! `DropCheck`: finds out whether a future is part of work that a race is about to drop.
//!
//! A future that is part of such work must not continue. It stays pending until it is dropped. The [frame](crate::frame) of
//! the thread says that a race is about to drop its work. But the frame cannot say whether the future is part of that work,
//! because the thread may be running an executor or a `block_on` inside the race. So the future finds out by these rules, in
//! this order:
//!
//! 1. If no race on the thread is about to drop its work, the answer is no.
//! 2. If the race waits for shields, it polls its work with a [`Tracer`]. The future then makes a test: it wakes itself.
//!    * If the wake-up reaches the race at once, the answer is yes. The future stays pending. If the future outlives the
//!      work, the race wakes it.
//!    * If the wake-up does not reach the race, the future asks again in its next poll. After [`TESTS`] such tests the
//!      answer is no. One test is not enough: another thread may be waking the same combinator at that moment.
//!    * If the race was already woken earlier in this poll, a wake-up that does not reach the race proves nothing. After
//!      more than [`UNCLEAR_TESTS`] such tests the answer is no.
//! 3. If the race does not wait for shields, it drops its work right after this poll. The future wakes itself, so that it is
//!    polled again if it is not dropped, and stays pending.
//! 4. If the future is polled more than [`POLLS`] times in one poll of the race, the answer is no. In that case, something
//!    in the race polls the future in a loop, such as a `block_on`, and the poll of the race cannot return before the future
//!    continues. A combinator does not poll a part that often: `FuturesUnordered` polls a part that wakes itself at most
//!    twice in each of its own polls. If n `FuturesUnordered` are nested, that is at most 2^n polls.
//! 5. An operation also asks when its parent has been cancelled but not polled since. Until the parent is polled, the
//!    operation stays pending and wakes itself each time. If the operation is in a `block_on` inside the parent, the poll of
//!    the parent waits for the `block_on`. In that case, rule 4 ends the wait.
//!
//! A future that stays pending is always woken later: by itself, or by the race once its work is gone.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::tracer::{Reached, Tracer, innermost, tracer_of};
use crate::frame::dropping;
use crate::panic::contain;

/// How often a future may be polled in one poll of the race before the future counts as not part of the work (4).
const POLLS: u32 = 64;

/// How many tests may prove nothing before a future counts as not part of the work (2).
const UNCLEAR_TESTS: u32 = 1_000;

/// How many tests must fail to reach the race before a future counts as not part of the work (2).
const TESTS: u32 = 2;

/// A number that no race has.
const NO_RACE: u64 = 0;

/// Whether a future is part of the work that a race is about to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enclosure {
    /// The future is not part of the work, or no race is about to drop its work.
    Outside,
    /// The future may be part of the work. It has woken itself, to ask again.
    Unknown,
    /// The future is part of the work.
    Inside,
}

/// Remembers the tests of one future. A `DropCheck` takes one word, and allocates at the first test.
#[derive(Debug, Default)]
pub(crate) struct DropCheck(Option<Box<Findings>>);

/// The tests of a future for one race.
#[derive(Debug)]
struct Findings {
    /// The number of the race.
    race: u64,
    /// The poll of the race in which the future was polled last.
    poll: usize,
    /// How often the future was polled in that poll of the race.
    polls: u32,
    /// The number of tests that proved nothing.
    unclear_tests: u32,
    /// The number of tests that did not reach the race.
    tests: u32,
    /// Whether the answer is no.
    outside: bool,
    /// Set if the answer is yes.
    kept: Option<Kept>,
}

/// The waker of a future that stays pending. If the future outlives the work, the race wakes it.
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
    /// Returns whether the future has to stay pending, because a race around this poll may be about to drop it. If the
    /// future is not dropped, it is woken.
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

    /// Returns whether the future is part of the work of the innermost race that waits for shields. Returns `None` if no
    /// race around this poll waits for shields.
    pub(crate) fn traced_enclosure(&mut self, cx: &Context<'_>) -> Option<Enclosure> {
        let tracer = innermost()?;
        Some(self.ask(tracer.race(), cx))
    }

    /// Returns whether the future is part of the work of a race that was cancelled and has not been polled since (5). The
    /// answer is never yes. Once the race has been polled, [`traced_enclosure`](Self::traced_enclosure) gives the answer.
    pub(crate) fn untraced_enclosure(&mut self, cx: &Context<'_>) -> Enclosure {
        self.ask(NO_RACE, cx)
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
            // The future is polled with a different waker now. It may have been moved into a `block_on`, so test it again.
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
                // The test itself has woken the future, so it asks again.
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
