//! The state that the handles and sources of a limit share.
//!
//! 1. One lock guards the state. While the lock is held, no user code runs and no task is woken.
//! 2. A waiting source is registered in two places: with a deadline slot and with the current round. When the slot fires,
//!    the source calls [`Shared::look`] again, because the end may have been moved to a later time.
//! 3. A round is the group of sources that wait now. `awaited` is the latest end for which a source of the round waits. A
//!    move to an end before `awaited` ends the round: the sources of the round are woken, look again, and join the next
//!    round.
//!
//! No wake-up is lost, because a source reads the end and joins the round under one lock. If a move came earlier, the source
//! reads the new end. If a move comes later, the move finds the source in the round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::reason::{Reason, TimeoutLabel};
use crate::sync::Mutex;
use crate::timer::note_fired;
use crate::wait::Latch;
use crate::{clock, poll_context};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<LimitState>,
}

#[derive(Debug)]
pub(super) struct LimitState {
    /// The full length. [`Limit::reset`](super::Limit::reset) starts the clock with it.
    pub(super) length: Duration,
    pub(super) clock: Clock,
    pub(super) label: Option<Arc<TimeoutLabel>>,
    /// The end and the reason, once the limit has fired.
    pub(super) fired: Option<(Instant, Reason)>,
    /// The latch of the current round. It is set when the sources of the round must look again. `None` if no source has
    /// joined the round yet.
    round: Option<Arc<Latch<()>>>,
    /// The latest end for which a source of the current round waits.
    awaited: Option<End>,
}

#[derive(Debug)]
pub(super) enum Clock {
    /// The clock starts at the first poll of a source. The end comes this long after that.
    Unstarted(Duration),
    Running {
        since: Instant,
        end: End,
    },
    Disarmed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    At(Instant),
    /// Later than any instant.
    Never,
}

impl End {
    pub(super) fn after(since: Instant, length: Duration) -> Self {
        since.checked_add(length).map_or(End::Never, End::At)
    }
}

/// The result of [`Shared::look`].
pub(super) enum Look {
    Fired(Reason),
    /// The end to wait for, and the round to join. The round is `None` if the poll only asks whether the limit has fired.
    Pending(End, Option<Arc<Latch<()>>>),
}

impl LimitState {
    fn new(length: Duration) -> Self {
        LimitState {
            length,
            clock: Clock::Unstarted(length),
            label: None,
            fired: None,
            round: None,
            awaited: None,
        }
    }

    fn end(&self) -> End {
        match self.clock {
            Clock::Running { end, .. } => end,
            Clock::Unstarted(_) | Clock::Disarmed => End::Never,
        }
    }

    /// Ends the current round and returns its latch. The caller sets the latch after it has released the lock.
    fn end_round(&mut self) -> Option<Arc<Latch<()>>> {
        self.awaited = None;
        self.round.take()
    }
}

impl Shared {
    pub(super) fn new(length: Duration) -> Self {
        Shared { state: Mutex::new(LimitState::new(length)) }
    }

    /// Changes the clock, and wakes the sources that must look again. Returns false, and changes nothing, if the limit
    /// has fired.
    pub(super) fn change(&self, change: impl FnOnce(&mut LimitState)) -> bool {
        let mut state = self.state.lock();
        if state.fired.is_some() {
            return false;
        }
        change(&mut state);
        let moved_earlier = state.awaited.is_some_and(|awaited| state.end() < awaited);
        let round = if moved_earlier { state.end_round() } else { None };
        drop(state);
        wake(round);
        true
    }

    /// Checks whether the limit has fired, and fires it if its end has passed. If the limit is pending and `joins` is true,
    /// the source joins the current round.
    pub(super) fn look(&self, joins: bool) -> Look {
        let now = clock::now();
        let mut state = self.state.lock();
        if let Some((end, reason)) = &state.fired {
            return fired(*end, reason.clone());
        }
        if let Clock::Unstarted(length) = state.clock {
            // If the limit is part of the source of an operation, the clock of the limit starts when the operation starts.
            let since = poll_context::operation_start().unwrap_or(now);
            state.clock = Clock::Running { since, end: End::after(since, length) };
        }
        if let Clock::Running { since, end: End::At(end) } = state.clock {
            if end <= now {
                let label = state.label.clone();
                let reason = Reason::Timeout { after: end.saturating_duration_since(since), label };
                state.fired = Some((end, reason.clone()));
                // All sources of the limit are ready now, even those whose slots have not fired.
                let round = state.end_round();
                drop(state);
                wake(round);
                return fired(end, reason);
            }
        }
        let end = state.end();
        if !joins {
            return Look::Pending(end, None);
        }
        state.awaited = state.awaited.max(Some(end));
        Look::Pending(end, Some(state.round.get_or_insert_default().clone()))
    }
}

/// Wakes the sources of a round that has ended. The caller holds no lock.
fn wake(round: Option<Arc<Latch<()>>>) {
    if let Some(waiters) = round.and_then(|round| round.set(())) {
        waiters.wake_all();
    }
}

/// Notes when the limit ended. An `any_of` uses that to find the earliest of several limits that have passed.
fn fired(end: Instant, reason: Reason) -> Look {
    if let Reason::Timeout { after, .. } = &reason {
        note_fired(end, *after);
    }
    Look::Fired(reason)
}
