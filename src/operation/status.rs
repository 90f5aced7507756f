//! `Status`: where an operation stands.

use std::fmt;

/// Where an operation stands.
///
/// It goes from `Pending` through `Running`, and `Cancelling` if it is cancelled, to one of the
/// three that are final.
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
    /// It has not been polled yet.
    Pending,
    /// Its work runs.
    Running,
    /// It is cancelled, and its work still runs: within a shield, a grace period, or up to its next
    /// poll; or its work is gone, and what runs afterwards still does.
    Cancelling,
    /// The work returned a value.
    Completed,
    /// The work returned an error, or panicked.
    Failed,
    /// The work was dropped before it was done.
    Cancelled,
}

impl Status {
    /// Whether it stays like this.
    ///
    /// ```
    /// assert!(!cancelable::Status::Cancelling.is_final());
    /// ```
    pub const fn is_final(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }

    /// The status as one lower-case word.
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
