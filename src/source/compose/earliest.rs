//! Finds out which of several time limits in an `any_of` ended first.
//!
//! If a task is not polled for a while, several limits of an `any_of` may have passed by the next poll of the task. In that
//! case, the limit that ended first gives the reason, wherever that limit is in the list (guarantee 7).

use std::task::Poll;
#[cfg(feature = "time")]
use std::time::{Duration, Instant};

use crate::reason::Reason;
#[cfg(feature = "time")]
use crate::timer::{registered_limits, take_fired};

#[cfg(not(feature = "time"))]
fn registered_limits() -> usize {
    0
}

/// Which sources of a list hold a time limit, as one bit for each source. The bits are set by the poll that registers the
/// sources.
///
/// After one source has fired, only sources with a time limit are still polled. A poll of any other source might complete
/// it, and its reason would be lost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits(u16);

impl Limits {
    const KNOWN: u16 = 1 << 15;

    #[inline(always)]
    pub(super) fn are_known(self) -> bool {
        self.0 != 0
    }

    /// Polls the source at `index` and notes whether the source has registered a limit.
    pub(super) fn note<R>(&mut self, index: usize, poll: impl FnOnce() -> R) -> R {
        let before = registered_limits();
        let result = poll();
        let is_limit = registered_limits() != before;
        self.0 |= Self::KNOWN | u16::from(is_limit) << index;
        result
    }

    /// Returns true if a source after `index` holds a limit.
    pub(super) fn any_after(self, index: usize) -> bool {
        (self.0 & !Self::KNOWN) >> index > 1
    }

    pub(super) fn contains(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

/// The reason of the limit that ended first, among the limits polled so far.
pub(super) struct Earliest {
    pub(super) reason: Reason,
    /// The end and the length of the limit. Limits that share a deadline slot have the same end. The shorter limit then
    /// counts as earlier. `None` if the reason does not come from a time limit. Such a reason is not replaced.
    #[cfg(feature = "time")]
    ended: Option<(Instant, Duration)>,
}

impl Earliest {
    /// Starts with the reason of a source that has just been polled.
    pub(super) fn new(reason: Reason) -> Self {
        Earliest {
            #[cfg(feature = "time")]
            ended: ended(&reason),
            reason,
        }
    }

    /// Replaces the reason with that of another source, if that source is a limit that ended earlier.
    pub(super) fn compare(&mut self, polled: Poll<Reason>) {
        #[cfg(feature = "time")]
        if let Poll::Ready(reason) = polled {
            if let (Some(known), Some(other)) = (self.ended, ended(&reason)) {
                if other < known {
                    *self = Earliest { reason, ended: Some(other) };
                }
            }
        }
        #[cfg(not(feature = "time"))]
        let _ = polled;
    }
}

/// Returns the end and the length of the limit that fired last on this thread, if `reason` is the reason of that limit.
#[cfg(feature = "time")]
fn ended(reason: &Reason) -> Option<(Instant, Duration)> {
    let (end, length) = take_fired()?;
    matches!(reason, Reason::Timeout { after, .. } if *after == length).then_some((end, length))
}
