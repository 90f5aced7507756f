//! `ReasonKind`: the kind of a reason.

use std::fmt;

/// The kind of a [`Reason`](crate::Reason), without its values. Use it to match, count or log.
///
/// # Examples
///
/// ```
/// use cancelable::ReasonKind;
/// assert_eq!(ReasonKind::Timeout.to_string(), "timeout");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ReasonKind {
    /// A time limit passed.
    Timeout,
    /// `cancel` or `cancel_with` was called.
    Manual,
    /// The process received a signal.
    Signal,
    /// A condition was met.
    Condition,
    /// A parent was cancelled.
    Parent,
    /// Every source of an [`all_of`](crate::all_of()) fired.
    All,
    /// An error caused the cancellation.
    Error,
    /// The other side disconnected.
    Disconnected,
    /// The owner of the work was dropped.
    Dropped,
}

impl ReasonKind {
    /// Returns the kind as one lower-case word.
    ///
    /// ```
    /// assert_eq!(cancelable::ReasonKind::Manual.as_str(), "manual");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            ReasonKind::Timeout => "timeout",
            ReasonKind::Manual => "manual",
            ReasonKind::Signal => "signal",
            ReasonKind::Condition => "condition",
            ReasonKind::Parent => "parent",
            ReasonKind::All => "all",
            ReasonKind::Error => "error",
            ReasonKind::Disconnected => "disconnected",
            ReasonKind::Dropped => "dropped",
        }
    }
}

impl fmt::Display for ReasonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
