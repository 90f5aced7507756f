//! `Inspection`: what an operation is doing, for who asks why it does not stop.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::member::Member;
use crate::operation::{Facts, Shielded, Stage};
use crate::operation::{OperationId, Snapshot};
use crate::{Status, Text, clock};

/// What an operation is about at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It has not been polled yet: whoever owns it does not poll it.
    Pending,
    /// Its work runs, or waits for something.
    Running,
    /// It was asked to stop, and its work goes on within its grace period.
    Grace,
    /// A shield is to be finished.
    #[non_exhaustive]
    Shield {
        /// The name of the shield.
        name: Option<Text>,
    },
    /// What runs after its work has not ended.
    Finally,
    /// Its end is known, and its hooks run.
    Hooks,
    /// It waits for an operation below it, or at least that has not ended either.
    #[non_exhaustive]
    Child {
        /// Which one.
        id: OperationId,
        /// Its name.
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

/// What an operation is doing, by value: what is known about it, and where it stands.
///
/// `Display` prints it on a few lines, for people.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::registry::{Filter, Phase};
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// let flush = shield(std::future::pending::<()>()).named("flush");
/// let mut run = Box::pin(flush.cancelable(never()).named("save").registered_in(&registry));
/// assert!(futures::poll!(run.as_mut()).is_pending());
///
/// let found = &registry.inspect(Filter::all())[0];
/// assert_eq!(found.phase.to_string(), "in shield \"flush\"");
/// assert!(found.in_poll.is_none());
/// # });
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Inspection {
    /// What is known about it: id, name, parent, reason, last progress and more.
    pub snapshot: Snapshot,
    /// What it is about.
    pub phase: Phase,
    /// How long ago it was asked to stop. `None` where it was not.
    pub asked: Option<Duration>,
    /// How long ago it was last polled; zero while it is. `None` where it has never been.
    pub last_poll: Option<Duration>,
    /// For how long a poll of it has not returned. `None` where it is not being polled. If this
    /// grows, its body does not yield: nothing can stop it.
    pub in_poll: Option<Duration>,
    /// How long its longest single poll took, the one that has not returned included.
    pub longest_poll: Duration,
}

/// From when on a poll that has not returned is worth a word.
const LONG_POLL: Duration = Duration::from_millis(100);

/// From when on a poll that has returned is.
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
        match (self.asked, reason) {
            (Some(ago), Some(reason)) => write!(f, "\n  asked {} ago: {reason}", Brief(ago))?,
            (None, Some(reason)) => write!(f, "\n  asked: {reason}")?,
            _ => f.write_str("\n  not asked to stop")?,
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

/// A duration as people read it: three digits at most before the unit, and one after the point.
pub(super) struct Brief(pub(super) Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds >= 3600 {
            write!(f, "{}h {:02}m", seconds / 3600, seconds % 3600 / 60)
        } else if seconds >= 60 {
            write!(f, "{}m {:02}s", seconds / 60, seconds % 60)
        } else if seconds >= 1 {
            write!(f, "{seconds}.{}s", self.0.subsec_millis() / 100)
        } else {
            write!(f, "{}ms", self.0.as_millis())
        }
    }
}

/// Those of the live members below each operation, the eldest first.
pub(super) struct Children(HashMap<OperationId, (OperationId, Option<Text>)>);

impl Children {
    pub(super) fn of<'a>(members: impl IntoIterator<Item = &'a Member>) -> Self {
        let mut children = HashMap::new();
        for member in members {
            let operation = &member.operation;
            if let Some(parent) = operation.parent_id() {
                children.entry(parent).or_insert_with(|| (operation.id(), operation.name()));
            }
        }
        Children(children)
    }
}

/// What a member is doing.
pub(super) fn inspect(member: &Member, children: &Children) -> Inspection {
    let snapshot = member.operation.snapshot();
    let facts = member.operation.facts();
    let phase = phase(&snapshot, facts.as_ref(), children);
    let asked = member.requested_at().map(|at| clock::now().saturating_duration_since(at));
    Inspection {
        phase,
        asked,
        last_poll: facts.as_ref().and_then(|facts| facts.last_poll),
        in_poll: facts.as_ref().and_then(|facts| facts.in_poll),
        longest_poll: facts.map(|facts| facts.longest_poll).unwrap_or_default(),
        snapshot,
    }
}

fn phase(snapshot: &Snapshot, facts: Option<&Facts>, children: &Children) -> Phase {
    if snapshot.status.is_final() {
        return Phase::Hooks;
    }
    if let Some(Stage::CleanUp) = facts.map(|facts| facts.stage) {
        return Phase::Finally;
    }
    let shield = facts.and_then(|facts| facts.shield.clone());
    match (shield, children.0.get(&snapshot.id)) {
        // A child that stands in a shield tells of that itself.
        (Some(Shielded { own: false, .. }) | None, Some((id, name))) => {
            return Phase::Child { id: *id, name: name.clone() };
        }
        (Some(shield), _) => return Phase::Shield { name: shield.name },
        (None, None) => {}
    }
    match facts.map(|facts| facts.stage) {
        Some(Stage::Grace) => Phase::Grace,
        _ if snapshot.status == Status::Pending => Phase::Pending,
        _ => Phase::Running,
    }
}
