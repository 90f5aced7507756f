//! `Snapshot`: a copy of an operation's state at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Operation, OperationId, Progress, Status};
use crate::clock;
use crate::reason::Reason;
use crate::text::Text;

/// A copy of an operation's state at one moment: its name, status, reason, progress and more.
///
/// `Display` prints it on one line.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// let future = async {}.cancelable(never()).named("fetch");
/// let operation = future.operation();
/// operation.report_progress("waiting");
/// let snapshot = operation.snapshot();
/// assert_eq!(snapshot.status, Status::Pending);
/// assert!(snapshot.to_string().ends_with("`fetch` pending, waiting"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Identifier of the operation.
    pub id: OperationId,
    /// Name of the operation, if it has one.
    pub name: Option<Text>,
    /// Status of the operation.
    pub status: Status,
    /// Reason for the cancellation, if the operation is cancelled.
    pub reason: Option<Reason>,
    /// Text of the error that the work returned, or of its panic. If the work returned an error after a cancellation, the
    /// text is set although `status` is [`Cancelled`](Status::Cancelled).
    pub error: Option<Text>,
    /// Identifier of the parent, if there is one.
    pub parent_id: Option<OperationId>,
    /// Name of the parent, if it has one.
    pub parent_name: Option<Text>,
    /// Metadata of the operation, ordered by key.
    pub metadata: BTreeMap<Text, Text>,
    /// Last progress report, if there was one.
    pub progress: Option<Progress>,
    /// Whether the operation has been polled. If its future was dropped before the first poll, the operation is
    /// [`Cancelled`](Status::Cancelled) and never started.
    pub started: bool,
    /// Time since the first poll, or from the first poll to the end if the operation has ended. Zero before the first poll.
    pub elapsed: Duration,
    /// Time left until the [deadline](Operation::deadline), if there is one.
    pub remaining: Option<Duration>,
}

/// What the counts of a registry need of an operation that has ended.
pub(crate) struct EndSummary {
    pub(crate) status: Status,
    pub(crate) reason: Option<Reason>,
    pub(crate) started: bool,
    /// Time from the first poll to the end.
    pub(crate) elapsed: Duration,
}

impl Operation {
    /// Returns the summary of an operation that has ended.
    pub(crate) fn end_summary(&self) -> EndSummary {
        let (started, ended) = {
            let details = self.inner.details.lock();
            (details.started, details.ended.as_ref().map(|ended| (ended.at, ended.outcome)))
        };
        let (status, reason) = self.inner.standing(started.is_some(), ended.map(|(_, how)| how));
        let elapsed = |from: Instant| Some(ended?.0.saturating_duration_since(from));
        let elapsed = started.and_then(elapsed).unwrap_or_default();
        EndSummary { status, reason, started: started.is_some(), elapsed }
    }
}

impl Snapshot {
    pub(super) fn of(operation: &Operation) -> Self {
        let inner = &operation.inner;
        let details = inner.details.lock().clone();
        let outcome = details.ended.as_ref().map(|ended| ended.outcome);
        let (status, reason) = inner.standing(details.started.is_some(), outcome);
        let ended_at = details.ended.as_ref().map(|ended| ended.at);
        let deadline = details.deadline();
        // If the operation has ended and has no deadline, there is no need to read the clock.
        let now = ended_at.filter(|_| deadline.is_none()).unwrap_or_else(clock::now);
        let until = ended_at.unwrap_or(now);
        let ran = details.started.map(|since| until.saturating_duration_since(since));
        let (parent_id, parent_name) = match details.parent {
            Some(parent) => (Some(parent.id), parent.name),
            None => (None, None),
        };
        Snapshot {
            id: operation.id(),
            name: details.name,
            status,
            reason,
            error: details.ended.and_then(|ended| ended.error),
            parent_id,
            parent_name,
            metadata: details.metadata.unwrap_or_default(),
            progress: inner.hooks.last_report(),
            started: details.started.is_some(),
            elapsed: ran.unwrap_or_default(),
            remaining: deadline.map(|at| at.saturating_duration_since(now)),
        }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, " {}", self.status)?;
        if !self.elapsed.is_zero() {
            write!(f, " after {:?}", self.elapsed)?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        // The error of a cancelled operation is left out, because it usually repeats the reason.
        if let Some(error) = self.error.as_ref().filter(|_| self.status != Status::Cancelled) {
            write!(f, ": {error}")?;
        }
        if let Some(progress) = &self.progress {
            write!(f, ", {progress}")?;
        }
        Ok(())
    }
}
