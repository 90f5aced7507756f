//! `Stats`: numbers about the operations of a registry.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ReasonKind;

/// Numbers about the operations of a registry.
///
/// The numbers of those that have ended belong to one moment. Those of the active ones are counted
/// while others come and go.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::{Registry, ReasonKind};
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// async { 7 }.cancelable(never()).registered_in(&registry).await?;
/// let stopped = async { 7 }.cancelable(never()).registered_in(&registry);
/// stopped.operation().cancel();
/// assert!(stopped.await.is_err());
///
/// let stats = registry.stats();
/// assert_eq!((stats.active(), stats.completed, stats.cancelled), (0, 1, 1));
/// assert_eq!(stats.cancelled_by[&ReasonKind::Manual], 1);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many have not been polled yet.
    pub pending: usize,
    /// How many run.
    pub running: usize,
    /// How many are cancelled, and still there.
    pub cancelling: usize,
    /// How many have completed.
    pub completed: u64,
    /// How many have failed.
    pub failed: u64,
    /// How many were cancelled, drops after the first poll included.
    pub cancelled: u64,
    /// How many were dropped before their first poll.
    pub never_started: u64,
    /// How many came after the intake had been closed. They count in none of the other numbers.
    pub refused: u64,
    /// Why those that were cancelled were, by kind of reason.
    pub cancelled_by: BTreeMap<ReasonKind, u64>,
    /// How long those that have ended ran on average. `None` where none has.
    pub average_duration: Option<Duration>,
    /// How long the one ran that ran longest.
    pub longest_duration: Option<Duration>,
    /// How long it took on average from the request to stop to the end, drops left out. `None` where
    /// nobody was asked.
    pub average_stopping: Option<Duration>,
    /// The longest time from a request to stop to the end.
    pub longest_stopping: Option<Duration>,
}

impl Stats {
    /// How many have not ended.
    ///
    /// ```
    /// assert_eq!(cancelable::Registry::new().stats().active(), 0);
    /// ```
    pub fn active(&self) -> usize {
        self.pending + self.running + self.cancelling
    }

    /// How many have left, however they ended.
    ///
    /// ```
    /// assert_eq!(cancelable::Registry::new().stats().ended(), 0);
    /// ```
    pub fn ended(&self) -> u64 {
        self.completed + self.failed + self.cancelled + self.never_started
    }
}

/// A number of durations.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Durations {
    count: u64,
    sum: Duration,
    longest: Duration,
}

impl Durations {
    pub(super) fn note(&mut self, duration: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
        self.longest = self.longest.max(duration);
    }

    pub(super) fn average(&self) -> Option<Duration> {
        let average = self.sum.as_nanos().checked_div(u128::from(self.count))?;
        let seconds = u64::try_from(average / 1_000_000_000).unwrap_or(u64::MAX);
        // The remainder is below a billion.
        Some(Duration::new(seconds, (average % 1_000_000_000) as u32))
    }

    pub(super) fn longest(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.longest)
    }
}
