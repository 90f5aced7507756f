//! `ShutdownReport`: the operations that stopped and those that did not, with a summary of each phase. `ServiceEnd`:
//! the report of a service, with the reason and the exit code.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use crate::operation::Status;
use crate::reason::Reason;
use crate::registry::history::Record;
use crate::registry::inspect::Inspection;
use crate::text::{Brief, Text};

/// The result of a [shutdown](crate::Registry::shutdown): the operations that stopped, and the
/// remaining ones.
///
/// `Display` prints the report for people: a summary, then each remaining operation and its phase.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// let flush = shield(std::future::pending::<()>()).named("flush");
/// let operation = flush.cancelable(never()).named("save").registered_in(&registry);
/// let task = smol::spawn(operation);
/// # let phase = || registry.inspect(Filter::all())[0].phase.to_string();
/// # while !phase().contains("shield") { smol::future::yield_now().await }
///
/// let report = registry.shutdown(Duration::ZERO).grace(Duration::from_millis(5)).await;
/// assert!(!report.is_clean());
/// assert_eq!(report.remaining[0].snapshot.name.as_deref(), Some("save"));
/// assert!(report.to_string().contains("`save`: in shield \"flush\""));
/// # drop(task);
/// # });
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How long the shutdown took.
    pub took: Duration,
    /// Whether the shutdown reached the step that cuts grace periods short, because the time had run out or because
    /// [`force`](crate::Registry::force) was called.
    pub forced: bool,
    /// The number of grace periods that were cut short.
    pub cut_short: usize,
    /// The operations that were registered when the shutdown began and have left since, ordered by id.
    pub stopped: Vec<Record>,
    /// The operations that have not left, ordered by id.
    pub remaining: Vec<Inspection>,
    /// A summary of each phase, if this was a [shutdown in phases](crate::registry::Shutdown::phases). In that case the
    /// other fields cover all phases, in their order.
    pub phases: Vec<PhaseReport>,
}

/// A summary of one phase of a [shutdown in phases](crate::registry::Shutdown::phases).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PhaseReport {
    /// The name of the phase.
    pub name: Text,
    /// The time that the operations of the phase had to finish.
    pub finish: Duration,
    /// How long the phase took.
    pub took: Duration,
    /// Whether the phase reached the step that cuts grace periods short.
    pub forced: bool,
    /// The number of operations that stopped.
    pub stopped: usize,
    /// The number of operations that did not stop.
    pub remaining: usize,
}

impl PhaseReport {
    /// Returns whether all operations of the phase have stopped.
    pub fn is_clean(&self) -> bool {
        self.remaining == 0
    }
}

/// Prints one line.
impl fmt::Display for PhaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        write_summary(f, self.stopped, self.remaining, self.took)
    }
}

impl ShutdownReport {
    /// Returns whether all operations have stopped.
    ///
    /// ```
    /// use cancelable::Registry;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// assert!(Registry::new().shutdown(Duration::from_secs(1)).await.is_clean());
    /// # });
    /// ```
    pub fn is_clean(&self) -> bool {
        self.remaining.is_empty()
    }

    /// Appends the report of a phase.
    pub(super) fn add_phase(&mut self, name: Text, finish: Duration, mut report: ShutdownReport) {
        let ShutdownReport { took, forced, cut_short, .. } = report;
        let (stopped, remaining) = (report.stopped.len(), report.remaining.len());
        self.phases.push(PhaseReport { name, finish, took, forced, stopped, remaining });
        self.took += took;
        self.forced |= forced;
        self.cut_short += cut_short;
        self.stopped.append(&mut report.stopped);
        self.remaining.append(&mut report.remaining);
    }

    fn count(&self, status: Status) -> usize {
        let ended = |record: &&Record| record.snapshot.started && record.snapshot.status == status;
        self.stopped.iter().filter(ended).count()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shutdown: ")?;
        write_summary(f, self.stopped.len(), self.remaining.len(), self.took)?;
        let ends = [
            (self.count(Status::Cancelled), "cancelled"),
            (self.count(Status::Completed), "completed"),
            (self.count(Status::Failed), "failed"),
            (
                self.stopped.iter().filter(|record| !record.snapshot.started).count(),
                "never started",
            ),
        ];
        let mut separator = " (";
        for (count, word) in ends {
            if count > 0 {
                write!(f, "{separator}{count} {word}")?;
                separator = ", ";
            }
        }
        if self.cut_short > 0 {
            let plural = if self.cut_short == 1 { "" } else { "s" };
            write!(f, "{separator}{} grace period{plural} cut short", self.cut_short)?;
            separator = ", ";
        }
        if separator != " (" {
            f.write_str(")")?;
        }
        for phase in &self.phases {
            write!(f, "\n{phase}")?;
        }
        for inspection in &self.remaining {
            write!(f, "\n{inspection}")?;
        }
        Ok(())
    }
}

/// Writes how many operations stopped, and in what time.
fn write_summary(
    f: &mut fmt::Formatter<'_>,
    stopped: usize,
    remaining: usize,
    took: Duration,
) -> fmt::Result {
    let (all, took) = (stopped + remaining, Brief(took));
    match (remaining, all) {
        (_, 0) => f.write_str("nothing was running"),
        (0, 1) => write!(f, "the only operation stopped in {took}"),
        (0, _) => write!(f, "all {all} operations stopped in {took}"),
        (_, 1) => write!(f, "the only operation did not stop in {took}"),
        _ => write!(f, "{remaining} of {all} operations did not stop in {took}"),
    }
}

/// How a service ended. Returned by [`Registry::shutdown_when`](crate::Registry::shutdown_when).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServiceEnd {
    /// The reason for the shutdown.
    pub reason: Reason,
    /// Whether there was a second request to shut down.
    pub insisted: bool,
    /// The report of the shutdown.
    pub report: ShutdownReport,
}

impl ServiceEnd {
    /// Returns the exit code for the process: 0 if all operations stopped, and 1 otherwise. After a second request,
    /// the code is 128 plus the number of the first signal, or 1 if the first request was not a signal.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
    /// use std::process::ExitCode;
    ///
    /// # smol::block_on(async {
    /// let stop = async { Reason::manual("stop") };
    /// let end = Registry::new().shutdown_when(stop, ShutdownPlan::new()).await;
    /// assert_eq!(end.exit_code(), ExitCode::SUCCESS);
    /// # });
    /// ```
    pub fn exit_code(&self) -> ExitCode {
        match self.reason.root() {
            Reason::Signal { signal } if self.insisted => {
                u8::try_from(128 + signal.number()).map_or(ExitCode::FAILURE, ExitCode::from)
            }
            _ if self.insisted || !self.report.is_clean() => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for ServiceEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = if self.insisted { ", twice" } else { "" };
        write!(f, "{}{again}\n{}", self.reason, self.report)
    }
}
