//! `Delivery`: what a requester learns about its request.

use std::fmt;

use crate::engine::{Received, TargetState};

/// What became of a request, for one run.
///
/// There is no variant for "cancelled": a run that got the request may still finish, in a shield, in clean-up, or
/// because its work was done.
///
/// ```
/// use cancelable_bus::Delivery;
/// assert_eq!(Delivery::Unconfirmed.to_string(), "unconfirmed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// The process of the run has cancelled the operation.
    Delivered {
        /// Whether this request was the first cancellation. The operation keeps the reason of the first.
        first: bool,
    },
    /// The run had ended before the request reached it.
    AlreadyEnded,
    /// No run with this identifier has begun, or the lease of its process is over: the process has crashed, hangs, or cannot
    /// reach the store. This is also the answer if the run ended so long ago that the store has deleted its row, and left no
    /// receipt.
    ///
    /// The request stays in the store. If the run begins before the [lifetime](crate::Request::lifetime) is over, or its
    /// process comes back, the run gets it.
    Unknown,
    /// The process of the run is alive, but has not confirmed the request yet. The process will get the request.
    Unconfirmed,
}

impl From<TargetState> for Delivery {
    fn from(state: TargetState) -> Self {
        match state {
            TargetState::Received(Received::First) => Delivery::Delivered { first: true },
            TargetState::Received(Received::Later) => Delivery::Delivered { first: false },
            TargetState::Received(Received::AlreadyEnded) | TargetState::Ended => {
                Delivery::AlreadyEnded
            }
            TargetState::NotBegun | TargetState::LeaseOver => Delivery::Unknown,
            TargetState::Live => Delivery::Unconfirmed,
        }
    }
}

impl TargetState {
    /// Returns whether the state can no longer change, unless a process comes back.
    pub(crate) fn is_settled(self) -> bool {
        !matches!(self, TargetState::NotBegun | TargetState::Live)
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Delivery::Delivered { first: true } => "delivered",
            Delivery::Delivered { first: false } => "delivered, after another cancellation",
            Delivery::AlreadyEnded => "already ended",
            Delivery::Unknown => "unknown",
            Delivery::Unconfirmed => "unconfirmed",
        })
    }
}
