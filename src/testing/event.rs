//! `Event`: one thing that an operation did.

use std::fmt;
use std::time::Duration;

use crate::operation::OperationId;
use crate::{Progress, Reason, Text};

/// One thing that an operation did, as a [`Recorder`](super::Recorder) has heard of it.
///
/// `Display` prints what it did, in the words of [`EventKind`].
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::{self, EventKind, Recorder};
/// use std::time::Duration;
///
/// let time = testing::pause();
/// let events = Recorder::new();
/// let run = events.watch(timeout(Duration::from_secs(1)).cancelable(never()).named("nap"));
/// time.block_on(run)?;
///
/// let last = events.events().pop().unwrap();
/// assert_eq!(last.kind, EventKind::Completed);
/// assert_eq!(last.name.as_deref(), Some("nap"));
/// assert_eq!(last.at, Duration::from_secs(1));
/// assert_eq!(last.to_string(), "completed");
/// # Ok::<(), Cancelled>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// When, counted from when the recorder was made, on the clock of the thread on which it
    /// happened.
    pub at: Duration,
    /// Which operation.
    pub operation: OperationId,
    /// The name of the operation.
    pub name: Option<Text>,
    /// What it did.
    pub kind: EventKind,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// What an operation did.
///
/// # Examples
///
/// ```
/// use cancelable::testing::EventKind;
/// use cancelable::{Progress, Reason};
/// use std::time::Duration;
///
/// let said = |kind: EventKind| kind.to_string();
/// assert_eq!(said(EventKind::Started), "started");
/// assert_eq!(said(EventKind::Progress(Progress::from("half"))), "progress half");
/// assert_eq!(said(EventKind::Completed), "completed");
/// assert_eq!(said(EventKind::Failed("no disk".into())), "failed: no disk");
/// assert_eq!(said(EventKind::Cancelled("stop".into())), "cancelled: stop");
/// let limit = Reason::timeout(Duration::from_secs(1));
/// assert_eq!(said(EventKind::Cancelled(limit)), "cancelled: timed out after 1s");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// It was polled for the first time.
    Started,
    /// It told how far it had got.
    Progress(Progress),
    /// Its work returned a value.
    Completed,
    /// Its work returned this error, or panicked.
    Failed(Text),
    /// Its work is gone, because it was cancelled for this reason.
    Cancelled(Reason),
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Started => f.write_str("started"),
            EventKind::Progress(progress) => write!(f, "progress {progress}"),
            EventKind::Completed => f.write_str("completed"),
            EventKind::Failed(error) => write!(f, "failed: {error}"),
            // It begins with the word by itself.
            EventKind::Cancelled(reason @ Reason::Manual { .. }) => reason.fmt(f),
            EventKind::Cancelled(reason) => write!(f, "cancelled: {reason}"),
        }
    }
}
