//! `Inspection`: what an operation is doing, and why it does not stop.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::member::Member;
use crate::clock;
use crate::operation::{
    ActiveShield, ActivitySnapshot, Operation, OperationId, RunStage, Snapshot, Status,
};
use crate::text::{Brief, Text};

/// What an operation is doing at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The operation has not been polled yet.
    Pending,
    /// The work of the operation is being polled, or waits for something.
    Running,
    /// The operation is cancelled, and its work is in the grace period.
    Grace,
    /// The work is in a shield. A cancellation waits until the shield has finished.
    #[non_exhaustive]
    Shield {
        /// The name of the shield.
        name: Option<Text>,
    },
    /// The clean-up of the operation is running.
    Finally,
    /// The operation has ended, and its hooks are running.
    Hooks,
    /// A child of the operation has not ended. The operation is presumably waiting for that child.
    #[non_exhaustive]
    Child {
        /// The id of the child.
        id: OperationId,
        /// The name of the child.
        name: Option<Text>,
    },
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Phase::Pending => f.write_str("not polled yet"),
            Phase::Running => f.write_str("running"),
            Phase::Grace => f.write_str("in its grace period"),
            Phase::Shield { name: None } => f.write_str("in a shield"),
            Phase::Shield { name: Some(name) } => write!(f, "in shield \"{name}\""),
            Phase::Finally => f.write_str("in finally"),
            Phase::Hooks => f.write_str("in its hooks"),
            Phase::Child { id, name: None } => write!(f, "waiting for child {id}"),
            Phase::Child { id, name: Some(name) } => write!(f, "waiting for child {id} `{name}`"),
        }
    }
}

/// An operation, with its phase and its latest polls. Returned by
/// [`Registry::inspect`](super::Registry::inspect).
///
/// `Display` prints the inspection on a few lines, for people.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// let flush = shield(std::future::pending::<()>()).named("flush");
/// let mut operation = Box::pin(flush.cancelable(never()).named("save").registered_in(&registry));
/// assert!(futures::poll!(operation.as_mut()).is_pending());
///
/// let found = &registry.inspect(Filter::all())[0];
/// assert_eq!(found.phase.to_string(), "in shield \"flush\"");
/// assert!(found.in_poll.is_none());
/// # });
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Inspection {
    /// The id, name, parent, reason, latest progress and more.
    pub snapshot: Snapshot,
    /// What the operation is doing.
    pub phase: Phase,
    /// The time since the cancellation. `None` if the operation was not cancelled.
    pub stopping: Option<Duration>,
    /// The time since the last poll. Zero while the operation is being polled, and `None` if it was never polled.
    pub last_poll: Option<Duration>,
    /// How long the current poll has been running. `None` if the operation is not being polled. If this time keeps growing,
    /// the work does not yield, and nothing can stop it.
    pub in_poll: Option<Duration>,
    /// The duration of the longest poll, including the current one.
    pub longest_poll: Duration,
}

/// The current poll is reported once it takes this long.
const LONG_POLL: Duration = Duration::from_millis(100);

/// A poll that has returned is reported if it took this long.
const LONG_PAST_POLL: Duration = Duration::from_millis(10);

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { id, name, parent_id, parent_name, reason, progress, .. } = &self.snapshot;
        write!(f, "operation {id}")?;
        if let Some(name) = name {
            write!(f, " `{name}`")?;
        }
        if let Some(parent) = parent_id {
            write!(f, " below {parent}")?;
            if let Some(name) = parent_name {
                write!(f, " `{name}`")?;
            }
        }
        write!(f, ": {}", self.phase)?;
        if let Some(stuck) = self.in_poll.filter(|stuck| *stuck >= LONG_POLL) {
            write!(f, "\n  does not yield: in one poll for {}", Brief(stuck))?;
        }
        match (self.stopping, reason) {
            (Some(ago), Some(reason)) => write!(f, "\n  cancelled {} ago: {reason}", Brief(ago))?,
            (None, Some(reason)) => write!(f, "\n  cancelled: {reason}")?,
            _ => f.write_str("\n  not cancelled")?,
        }
        if let Some(progress) = progress {
            write!(f, "\n  progress: {progress}")?;
        }
        match (self.in_poll, self.last_poll) {
            (Some(_), _) => f.write_str("\n  being polled")?,
            (None, Some(ago)) => write!(f, "\n  last polled {} ago", Brief(ago))?,
            (None, None) => f.write_str("\n  never polled")?,
        }
        if self.longest_poll >= LONG_PAST_POLL {
            write!(f, ", longest poll {}", Brief(self.longest_poll))?;
        }
        Ok(())
    }
}

/// The oldest live child of each operation that has children.
pub(super) struct Children(HashMap<OperationId, (OperationId, Option<Text>)>);

impl Children {
    /// Finds the children among live members that are ordered by id.
    pub(super) fn of<'a>(members: impl IntoIterator<Item = &'a Member>) -> Self {
        let mut children = HashMap::new();
        for member in members {
            let operation = &member.operation;
            if let Some(parent) = operation.parent_id() {
                children.entry(parent).or_insert_with(|| (operation.id(), operation.name_text()));
            }
        }
        Children(children)
    }
}

/// Returns what a member is doing.
pub(super) fn inspect(member: &Member, children: &Children) -> Inspection {
    let snapshot = member.operation.snapshot();
    let activity = member.operation.activity_snapshot();
    let phase = phase(&member.operation, &snapshot, activity.as_ref(), children);
    let stopping = member.cancelled_at().map(|at| clock::now().saturating_duration_since(at));
    Inspection {
        phase,
        stopping,
        last_poll: activity.as_ref().and_then(|activity| activity.last_poll),
        in_poll: activity.as_ref().and_then(|activity| activity.in_poll),
        longest_poll: activity.map(|activity| activity.longest_poll).unwrap_or_default(),
        snapshot,
    }
}

fn phase(
    operation: &Operation,
    snapshot: &Snapshot,
    activity: Option<&ActivitySnapshot>,
    children: &Children,
) -> Phase {
    if snapshot.status.is_final() {
        return Phase::Hooks;
    }
    let stage = activity.map_or(RunStage::Work, |activity| activity.stage);
    if stage == RunStage::CleanUp {
        return Phase::Finally;
    }
    let shield = activity.and_then(|activity| activity.shield.clone());
    let child = children.0.get(&snapshot.id).cloned().or_else(|| {
        let children = (stage == RunStage::Joining).then(|| operation.children());
        children?.first().map(|child| (child.id(), child.name_text()))
    });
    match (shield, child) {
        // If the shield belongs to a child, the child reports the shield.
        (Some(ActiveShield { own: false, .. }) | None, Some((id, name))) => {
            Phase::Child { id, name }
        }
        (Some(shield), _) => Phase::Shield { name: shield.name },
        (None, None) if stage == RunStage::Grace => Phase::Grace,
        (None, None) if snapshot.status == Status::Pending => Phase::Pending,
        (None, None) => Phase::Running,
    }
}
