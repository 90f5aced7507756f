//! `Snapshot`: all that is known about an operation at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Operation, OperationId, Progress, Status};
use crate::{Reason, Text, clock};

/// All that is known about an operation at one moment, by value.
///
/// `Display` prints it on one line.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// let operation = async {}.cancelable(never()).named("fetch").operation();
/// operation.report_progress("waiting");
/// let snapshot = operation.snapshot();
/// assert_eq!(snapshot.status, Status::Pending);
/// assert!(snapshot.to_string().ends_with("`fetch` pending, waiting"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Which operation.
    pub id: OperationId,
    /// Its name.
    pub name: Option<Text>,
    /// Where it stands.
    pub status: Status,
    /// Why it is cancelled, if it is.
    pub reason: Option<Reason>,
    /// The text of the error that the work returned, or of its panic. Also there if `status` is
    /// [`Cancelled`](Status::Cancelled).
    pub error: Option<Text>,
    /// Which operation it is below.
    pub parent_id: Option<OperationId>,
    /// The name of the operation it is below.
    pub parent_name: Option<Text>,
    /// What was attached to it.
    pub metadata: BTreeMap<Text, Text>,
    /// The last report of progress.
    pub progress: Option<Progress>,
    /// How long it has been running, or ran.
    pub elapsed: Duration,
    /// How much time is left, as far as that is certain.
    pub remaining: Option<Duration>,
}

impl Snapshot {
    pub(super) fn of(operation: &Operation) -> Self {
        let inner = &operation.inner;
        // The ending is read once, and first: whatever happens meanwhile, what is told here belongs
        // together.
        let ended = inner.ended.get();
        let about = inner.about.lock().clone();
        let (parent_id, parent_name) = match about.parent {
            Some(parent) => (Some(parent.id), parent.name),
            None => (None, None),
        };
        let (status, reason, error) = inner.standing(ended, about.started.is_some());
        let now = clock::now();
        let until = ended.map_or(now, |ending| ending.at);
        let ran = about.started.map(|since| until.saturating_duration_since(since));
        Snapshot {
            id: operation.id(),
            name: about.name,
            status,
            reason,
            error,
            parent_id,
            parent_name,
            metadata: about.metadata.unwrap_or_default(),
            progress: inner.hooks.last(),
            elapsed: ran.unwrap_or_default(),
            remaining: about.deadline.map(|at| at.saturating_duration_since(now)),
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
        // The error of a cancelled operation mostly repeats the reason.
        if let Some(error) = self.error.as_ref().filter(|_| self.status != Status::Cancelled) {
            write!(f, ": {error}")?;
        }
        if let Some(progress) = &self.progress {
            write!(f, ", {progress}")?;
        }
        Ok(())
    }
}
