//! The history of a registry: records of the operations that ended most recently, and counts of all ended
//! operations.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Registry;
use super::filter::Filter;
use super::stats::Stats;
use crate::operation::{EndSummary, Snapshot};
use crate::panic::discard;

/// The record that a registry keeps of an operation that has ended. Returned by
/// [`history`](super::Registry::history).
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::registry::Filter;
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// async { 7 }.cancelable(never()).named("sum").registered_in(&registry).await?;
/// let record = &registry.history(Filter::all())[0];
/// assert_eq!(record.snapshot.name.as_deref(), Some("sum"));
/// assert_eq!(record.snapshot.status, Status::Completed);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The operation as it was at its end. If it was dropped before its first poll, `started` is false.
    pub snapshot: Snapshot,
    /// When it left the registry: at its end, after its clean-up and hooks had run.
    pub ended_at: Instant,
    /// The time from the cancellation to the end. `None` if it was not cancelled, or if it was dropped.
    pub stopping: Option<Duration>,
}

impl Registry {
    /// Returns the records of ended operations that match the query, with the most recent one last. The query can be
    /// a [`Filter`].
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::HistoryQuery;
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// for name in ["a", "b", "c"] {
    ///     async {}.cancelable(never()).named(name).registered_in(&registry).await?;
    /// }
    /// let last = registry.history(HistoryQuery::all().last(2));
    /// assert_eq!(last[1].snapshot.name.as_deref(), Some("c"));
    /// assert_eq!(registry.history(Filter::all().name("a")).len(), 1);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn history(&self, query: impl Into<HistoryQuery>) -> Vec<Record> {
        // A predicate of the query is user code: it runs with the lock released.
        let records = self.shared.history.lock().records();
        query.into().select(records)
    }

    /// Returns the number of records that the history keeps.
    pub fn history_limit(&self) -> usize {
        self.shared.history.lock().limit()
    }

    /// Sets the number of records that the history keeps. If the history holds more, the oldest records are removed.
    ///
    /// If the limit was 0, an operation that ends during this call may be counted in [`stats`](Self::stats) without getting a
    /// record.
    ///
    /// ```
    /// let registry = cancelable::Registry::new();
    /// registry.set_history_limit(10);
    /// assert_eq!(registry.history_limit(), 10);
    /// ```
    pub fn set_history_limit(&self, limit: usize) {
        // The lock is released at the end of this statement, before the destructors of the records run.
        let evicted = self.shared.history.lock().set_limit(limit);
        evicted.into_iter().for_each(discard);
    }

    /// Clears the history, and all counts of [`stats`](Self::stats) except the counts of active operations.
    pub fn clear_history(&self) {
        let removed = self.shared.history.lock().clear();
        removed.into_iter().for_each(discard);
    }
}

/// Selects records of the [history](super::Registry::history). The default selects all of them.
///
/// A record must match all parts of the query.
///
/// # Examples
///
/// ```
/// use cancelable::registry::{Filter, HistoryQuery};
/// use cancelable::{Registry, Status};
/// use std::time::Instant;
///
/// let since = Instant::now();
/// let failed = HistoryQuery::all().filter(Filter::all().status(Status::Failed));
/// assert!(Registry::new().history(failed.since(since).last(10)).is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    filter: Filter,
    since: Option<Instant>,
    last: Option<usize>,
}

impl HistoryQuery {
    /// Creates a query that selects every record.
    ///
    /// ```
    /// use cancelable::Registry;
    /// use cancelable::registry::HistoryQuery;
    /// assert!(Registry::new().history(HistoryQuery::all()).is_empty());
    /// ```
    pub fn all() -> Self {
        HistoryQuery::default()
    }

    /// Selects operations that match the filter. Replaces an earlier filter.
    ///
    /// ```
    /// use cancelable::Registry;
    /// use cancelable::registry::{Filter, HistoryQuery};
    /// let query = HistoryQuery::all().filter(Filter::all().name("fetch"));
    /// assert!(Registry::new().history(query).is_empty());
    /// ```
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Selects operations that ended at `since` or later.
    ///
    /// To poll the history without gaps, pass the instant taken just before the previous call. You see every
    /// record, unless the history overflows between two calls. If an operation ends during a call, its record
    /// may appear twice.
    ///
    /// ```
    /// use cancelable::Registry;
    /// use cancelable::registry::HistoryQuery;
    /// let query = HistoryQuery::all().since(std::time::Instant::now());
    /// assert!(Registry::new().history(query).is_empty());
    /// ```
    #[must_use]
    pub fn since(mut self, since: Instant) -> Self {
        self.since = Some(since);
        self
    }

    /// Keeps only the latest `count` of the matching records.
    ///
    /// ```
    /// use cancelable::Registry;
    /// use cancelable::registry::HistoryQuery;
    /// let query = HistoryQuery::all().last(10);
    /// assert!(Registry::new().history(query).is_empty());
    /// ```
    #[must_use]
    pub fn last(mut self, count: usize) -> Self {
        self.last = Some(count);
        self
    }

    pub(super) fn select(&self, mut records: Vec<Arc<Record>>) -> Vec<Record> {
        records.retain(|record| {
            self.since.is_none_or(|since| record.ended_at >= since)
                && self.filter.fits(&record.snapshot)
        });
        let before = self.last.map_or(0, |last| records.len().saturating_sub(last));
        records.drain(before..).map(Arc::unwrap_or_clone).collect()
    }
}

impl From<Filter> for HistoryQuery {
    fn from(filter: Filter) -> Self {
        HistoryQuery::all().filter(filter)
    }
}

/// The records and counts of a registry. The registry keeps them under a lock. The destructors of records are user code. So
/// methods that evict records return them, and the caller [discards](crate::panic::discard) them after it has released the
/// lock.
#[derive(Debug)]
pub(super) struct History {
    /// Shared, so that a reader holds the lock only while it clones the pointers.
    records: VecDeque<Arc<Record>>,
    limit: usize,
    stats: Stats,
}

impl History {
    pub(super) fn new(limit: usize) -> Self {
        History { records: VecDeque::new(), limit, stats: Stats::default() }
    }

    pub(super) fn keeps_records(&self) -> bool {
        self.limit > 0
    }

    /// Counts an operation that has left.
    pub(super) fn count(&mut self, end: &EndSummary, stopping: Option<Duration>) {
        self.stats.add(end, stopping);
    }

    /// Adds a record. Returns the record that was evicted for it.
    pub(super) fn add(&mut self, record: &Arc<Record>) -> Option<Arc<Record>> {
        if self.limit == 0 {
            return None;
        }
        let is_full = self.records.len() >= self.limit;
        let evicted = if is_full { self.records.pop_front() } else { None };
        self.records.push_back(record.clone());
        evicted
    }

    pub(super) fn count_refused(&mut self) {
        self.stats.refused += 1;
    }

    pub(super) fn records(&self) -> Vec<Arc<Record>> {
        self.records.iter().cloned().collect()
    }

    /// Sets the limit and returns the evicted records.
    pub(super) fn set_limit(&mut self, limit: usize) -> Vec<Arc<Record>> {
        self.limit = limit;
        let excess = self.records.len().saturating_sub(limit);
        let evicted = self.records.drain(..excess).collect();
        if self.records.capacity() / 4 > self.records.len() {
            self.records.shrink_to_fit();
        }
        evicted
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Removes all records, resets all counts, and returns the removed records.
    pub(super) fn clear(&mut self) -> VecDeque<Arc<Record>> {
        self.stats = Stats::default();
        std::mem::take(&mut self.records)
    }

    /// Returns the counts and durations of the operations that have ended.
    pub(super) fn stats(&self) -> Stats {
        self.stats.summary()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        // Records are dropped one by one, because two panics in one drop abort the process.
        self.records.drain(..).for_each(discard);
    }
}
