//! What a registry remembers of operations that have ended: counts, and the last few themselves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Filter;
use super::stats::{Durations, Stats};
use crate::Status;
use crate::operation::Snapshot;

/// An operation that has left a registry, by value.
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
    /// What was known of it at its end. Where the run was dropped before its first poll, the status
    /// is [`Pending`](Status::Pending).
    pub snapshot: Snapshot,
    /// When it left.
    pub ended_at: Instant,
    /// How long it took from the request to stop to its end. `None` where nobody asked: it ended by
    /// itself, or was dropped.
    pub stopping: Option<Duration>,
}

/// Which records to look for in the [history](super::Registry::history): all by default.
///
/// What is asked for goes together: a record must fit all of it.
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
    /// Every record.
    ///
    /// ```
    /// use cancelable::registry::HistoryQuery;
    /// use cancelable::Registry;
    /// assert!(Registry::new().history(HistoryQuery::all()).is_empty());
    /// ```
    pub fn all() -> Self {
        HistoryQuery::default()
    }

    /// Those of operations that fit the filter, in place of an earlier filter.
    ///
    /// ```
    /// use cancelable::registry::{Filter, HistoryQuery};
    /// let query = HistoryQuery::all().filter(Filter::all().name("fetch"));
    /// # let _ = query;
    /// ```
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Those that ended then or later.
    ///
    /// Who asks from time to time, and each time for those since the moment before the last call, is
    /// told of each, as long as the ring is large enough: of one that ended during that call twice.
    ///
    /// ```
    /// use cancelable::registry::HistoryQuery;
    /// let query = HistoryQuery::all().since(std::time::Instant::now());
    /// # let _ = query;
    /// ```
    #[must_use]
    pub fn since(mut self, since: Instant) -> Self {
        self.since = Some(since);
        self
    }

    /// The latest so many of those that fit. With 0, none.
    ///
    /// ```
    /// use cancelable::registry::HistoryQuery;
    /// let query = HistoryQuery::all().last(10);
    /// # let _ = query;
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

/// What is remembered. Its lock is around it; nothing here runs code of others.
#[derive(Debug)]
pub(super) struct Past {
    /// Shared, so that those who look at them hold the lock no longer than it takes to note which.
    records: VecDeque<Arc<Record>>,
    limit: usize,
    counts: Stats,
    pub(super) refused: u64,
    durations: Durations,
    stopping: Durations,
}

impl Past {
    pub(super) fn new(limit: usize) -> Self {
        Past {
            records: VecDeque::new(),
            limit,
            counts: Stats::default(),
            refused: 0,
            durations: Durations::default(),
            stopping: Durations::default(),
        }
    }

    /// Counts an ending, and keeps it. What is kept no longer comes back, to be dropped outside of
    /// the lock.
    pub(super) fn note(&mut self, record: &Arc<Record>) -> Option<Arc<Record>> {
        let counts = &mut self.counts;
        match record.snapshot.status {
            Status::Completed => counts.completed += 1,
            Status::Failed => counts.failed += 1,
            Status::Cancelled => {
                counts.cancelled += 1;
                if let Some(reason) = &record.snapshot.reason {
                    *counts.cancelled_by.entry(reason.kind()).or_default() += 1;
                }
            }
            Status::Pending | Status::Running | Status::Cancelling => counts.never_started += 1,
        }
        if record.snapshot.status.is_final() {
            self.durations.note(record.snapshot.elapsed);
        }
        if let Some(stopping) = record.stopping {
            self.stopping.note(stopping);
        }
        if self.limit == 0 {
            return None;
        }
        let replaced =
            if self.records.len() >= self.limit { self.records.pop_front() } else { None };
        self.records.push_back(record.clone());
        replaced
    }

    pub(super) fn records(&self) -> Vec<Arc<Record>> {
        self.records.iter().cloned().collect()
    }

    /// Sets the limit. What is too much comes back.
    pub(super) fn set_limit(&mut self, limit: usize) -> VecDeque<Arc<Record>> {
        self.limit = limit;
        let kept = self.records.split_off(self.records.len().saturating_sub(limit));
        std::mem::replace(&mut self.records, kept)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Forgets everything. What was kept comes back.
    pub(super) fn clear(&mut self) -> VecDeque<Arc<Record>> {
        std::mem::replace(self, Past::new(self.limit)).records
    }

    /// The numbers of those that have ended.
    pub(super) fn stats(&self) -> Stats {
        Stats {
            refused: self.refused,
            average_duration: self.durations.average(),
            longest_duration: self.durations.longest(),
            average_stopping: self.stopping.average(),
            longest_stopping: self.stopping.longest(),
            ..self.counts.clone()
        }
    }
}
