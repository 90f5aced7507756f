//! `Status`: the states of an operation.

use std::fmt;

/// The status of an operation.
///
/// The status changes from `Pending` to `Running`, and then to one of the three final statuses. If the operation is
/// cancelled, its status is `Cancelling` in between.
///
/// # Examples
///
/// ```
/// use cancelable::Status;
/// assert!(Status::Failed.is_final());
/// assert_eq!(Status::Running.to_string(), "running");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// The operation has not been polled yet.
    Pending,
    /// The operation has been polled, and has neither ended nor been cancelled.
    Running,
    /// The operation is cancelled and has not ended. Its work is in a shield or a grace period, or its clean-up is running,
    /// or it has not been polled since the cancellation.
    Cancelling,
    /// The work returned a value.
    Completed,
    /// Fallible work returned an error and had not been cancelled, or the work panicked.
    Failed,
    /// The work was dropped before it was done, or returned an error after it had been cancelled.
    Cancelled,
}

impl Status {
    /// Returns whether this status is final, which means that it no longer changes.
    ///
    /// ```
    /// assert!(!cancelable::Status::Cancelling.is_final());
    /// ```
    pub const fn is_final(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }

    /// Returns the status as one lower-case word.
    ///
    /// ```
    /// assert_eq!(cancelable::Status::Pending.as_str(), "pending");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Running => "running",
            Status::Cancelling => "cancelling",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
