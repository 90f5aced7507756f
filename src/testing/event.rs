//! `Event`: a recorded event of an operation.

use std::fmt;
use std::time::Duration;

use crate::operation::OperationId;
use crate::operation::Progress;
use crate::reason::Reason;
use crate::text::Text;

/// An event of an operation, recorded by a [`Recorder`](super::Recorder).
///
/// `Display` prints its [`kind`](Event::kind).
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
/// let operation = events.watch(timeout(Duration::from_secs(1)).cancelable(never()).named("nap"));
/// time.block_on(operation)?;
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
    /// Time since the first event that the recorder recorded, on the clock of the thread on which the event occurred.
    pub at: Duration,
    /// Id of the operation.
    pub operation: OperationId,
    /// Name of the operation, if it has one.
    pub name: Option<Text>,
    /// Kind of the event.
    pub kind: EventKind,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// Kind of an [`Event`].
///
/// # Examples
///
/// ```
/// use cancelable::testing::EventKind;
/// use cancelable::{Progress, Reason};
/// use std::time::Duration;
///
/// let text = |kind: EventKind| kind.to_string();
/// assert_eq!(text(EventKind::Started), "started");
/// assert_eq!(text(EventKind::Progress(Progress::from("half"))), "progress half");
/// assert_eq!(text(EventKind::Completed), "completed");
/// assert_eq!(text(EventKind::Failed("no disk".into())), "failed: no disk");
/// assert_eq!(text(EventKind::Cancelled("stop".into())), "cancelled: stop");
/// let limit = Reason::timeout(Duration::from_secs(1));
/// assert_eq!(text(EventKind::Cancelled(limit)), "cancelled: timed out after 1s");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The operation was polled for the first time.
    Started,
    /// The operation reported progress.
    Progress(Progress),
    /// The work returned a value.
    Completed,
    /// The work returned an error, or panicked, with this text.
    Failed(Text),
    /// The work was cancelled and dropped, for this reason.
    Cancelled(Reason),
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Started => f.write_str("started"),
            EventKind::Progress(progress) => write!(f, "progress {progress}"),
            EventKind::Completed => f.write_str("completed"),
            EventKind::Failed(error) => write!(f, "failed: {error}"),
            // Its text starts with "cancelled" already.
            EventKind::Cancelled(reason @ Reason::Manual { .. }) => reason.fmt(f),
            EventKind::Cancelled(reason) => write!(f, "cancelled: {reason}"),
        }
    }
}
