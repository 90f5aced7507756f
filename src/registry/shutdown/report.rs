//! `ShutdownReport`: the operations that stopped, and the remaining ones.

use std::fmt;
use std::time::Duration;

use crate::operation::Status;
use crate::registry::history::Record;
use crate::registry::inspect::{Brief, Inspection};

/// The result of a [shutdown](crate::Registry::shutdown): the operations that stopped, and the
/// remaining ones.
///
/// `Display` prints it for people: a summary, then each remaining operation and its phase.
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
/// let run = flush.cancelable(never()).named("save").registered_in(&registry);
/// let task = smol::spawn(run);
/// # let phase = || registry.inspect(Filter::all())[0].phase.to_string();
/// # while !phase().contains("shield") { smol::future::yield_now().await }
///
/// let report = registry.shutdown(Duration::from_millis(5)).await;
/// assert!(!report.is_clean());
/// assert_eq!(report.remaining[0].snapshot.name.as_deref(), Some("save"));
/// assert!(report.to_string().contains("`save`: in shield \"flush\""));
/// # drop(task);
/// # });
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How long the shutdown took.
    pub took: Duration,
    /// Whether grace periods were cut short: because the time was over, or by
    /// [`force`](crate::Registry::force).
    pub forced: bool,
    /// The number of grace periods that were cut short.
    pub cut_short: usize,
    /// The operations that were registered when it began and have left since, ordered by id.
    pub stopped: Vec<Record>,
    /// The operations that have not left, ordered by id.
    pub remaining: Vec<Inspection>,
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

    fn count(&self, status: Status) -> usize {
        self.stopped.iter().filter(|record| record.snapshot.status == status).count()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, all) = (self.remaining.len(), self.remaining.len() + self.stopped.len());
        let took = Brief(self.took);
        match (left, all) {
            (_, 0) => write!(f, "shutdown: nothing was running")?,
            (0, 1) => write!(f, "shutdown: the only operation stopped in {took}")?,
            (0, _) => write!(f, "shutdown: all {all} operations stopped in {took}")?,
            (_, 1) => write!(f, "shutdown: the only operation did not stop in {took}")?,
            _ => write!(f, "shutdown: {left} of {all} operations did not stop in {took}")?,
        }
        let ends = [
            (Status::Cancelled, "cancelled"),
            (Status::Completed, "completed"),
            (Status::Failed, "failed"),
            (Status::Pending, "never started"),
        ];
        let mut separator = " (";
        for (status, word) in ends {
            let count = self.count(status);
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
        for inspection in &self.remaining {
            write!(f, "\n{inspection}")?;
        }
        Ok(())
    }
}
