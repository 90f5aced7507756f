//! `Stats`: counts and durations of the operations of a registry.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::operation::{EndSummary, Status};
use crate::reason::ReasonKind;

/// Counts and durations of the operations of a registry.
///
/// The counts of ended operations are all taken at the same time. The counts of active operations are taken one by one while
/// operations start and end, so they are approximate.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
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
    /// The number of operations that have not been polled yet.
    pub pending: usize,
    /// The number of operations that are running.
    pub running: usize,
    /// The number of operations that are cancelled and have not ended.
    pub cancelling: usize,
    /// The number of operations that completed.
    pub completed: u64,
    /// The number of operations that failed.
    pub failed: u64,
    /// The number of operations that were cancelled, including those dropped after their first poll.
    pub cancelled: u64,
    /// The number of operations that were dropped before their first poll.
    pub never_started: u64,
    /// The number of operations that were refused because the registry was closed. They appear in no
    /// other count.
    pub refused: u64,
    /// The cancelled operations, counted by the kind of their reason.
    pub cancelled_by: BTreeMap<ReasonKind, u64>,
    /// The average duration of completed operations. `None` if none has completed.
    pub average_duration: Option<Duration>,
    /// The longest duration of a completed operation.
    pub longest_duration: Option<Duration>,
    /// The average time from the cancellation to the end. Dropped operations are not included. `None` if no operation
    /// was cancelled.
    pub average_stopping: Option<Duration>,
    /// The longest time from the cancellation to the end.
    pub longest_stopping: Option<Duration>,
    completed_durations: Durations,
    failed_durations: Durations,
    cancelled_durations: Durations,
    stopping_durations: Durations,
}

impl Stats {
    /// Returns the number of operations that have not ended.
    pub fn active(&self) -> usize {
        self.pending + self.running + self.cancelling
    }

    /// Returns the number of operations that have ended, in any way.
    pub fn ended(&self) -> u64 {
        self.completed + self.failed + self.cancelled + self.never_started
    }

    /// Returns the distribution of the durations of the operations that ended with the given status: average, minimum,
    /// maximum and percentiles. The distribution is empty for a status that is not final.
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// async { 7 }.cancelable(never()).registered_in(&registry).await?;
    ///
    /// let stats = registry.stats();
    /// let completed = stats.durations(Status::Completed);
    /// assert_eq!(completed.count(), 1);
    /// assert_eq!(completed.percentile(99.0), completed.max());
    /// assert_eq!(stats.durations(Status::Failed).average(), None);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn durations(&self, status: Status) -> &Durations {
        static NONE: Durations = Durations::new();
        match status {
            Status::Completed => &self.completed_durations,
            Status::Failed => &self.failed_durations,
            Status::Cancelled => &self.cancelled_durations,
            Status::Pending | Status::Running | Status::Cancelling => &NONE,
        }
    }

    /// Returns the times from the cancellation to the end. Dropped operations are not included.
    pub fn stopping_durations(&self) -> &Durations {
        &self.stopping_durations
    }

    /// Counts an operation that has ended. [`summary`](Self::summary) computes the averages.
    pub(super) fn add(&mut self, end: &EndSummary, stopping: Option<Duration>) {
        let durations = match end.status {
            _ if !end.started => {
                self.never_started += 1;
                None
            }
            Status::Completed => {
                self.completed += 1;
                Some(&mut self.completed_durations)
            }
            Status::Failed => {
                self.failed += 1;
                Some(&mut self.failed_durations)
            }
            Status::Cancelled => {
                self.cancelled += 1;
                if let Some(reason) = &end.reason {
                    *self.cancelled_by.entry(reason.kind()).or_default() += 1;
                }
                Some(&mut self.cancelled_durations)
            }
            Status::Pending | Status::Running | Status::Cancelling => None,
        };
        if let Some(durations) = durations {
            durations.add(end.elapsed);
        }
        if let Some(stopping) = stopping {
            self.stopping_durations.add(stopping);
        }
    }

    /// Returns a copy whose averages and maxima are filled in.
    pub(super) fn summary(&self) -> Stats {
        Stats {
            average_duration: self.completed_durations.average(),
            longest_duration: self.completed_durations.max(),
            average_stopping: self.stopping_durations.average(),
            longest_stopping: self.stopping_durations.max(),
            ..self.clone()
        }
    }
}

/// A distribution of durations: average, minimum, maximum and percentiles. Returned by
/// [`Stats::durations`].
///
/// A distribution takes at most 16 KiB, however many durations it holds.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// for _ in 0..10 {
///     async {}.cancelable(never()).registered_in(&registry).await?;
/// }
/// let stats = registry.stats();
/// let completed = stats.durations(Status::Completed);
/// assert_eq!(completed.count(), 10);
/// assert!(completed.min() <= completed.average() && completed.average() <= completed.max());
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Durations {
    count: u64,
    /// In nanoseconds.
    sum: u128,
    min: Duration,
    max: Duration,
    /// The number of durations in each bucket, up to the last bucket that is not empty.
    buckets: Vec<u64>,
}

/// The durations between two powers of two are split into this many buckets. So the width of a bucket is
/// at most 1/32 of any duration in it.
const BUCKETS_PER_OCTAVE: u64 = 32;

impl Durations {
    const fn new() -> Self {
        Durations {
            count: 0,
            sum: 0,
            min: Duration::ZERO,
            max: Duration::ZERO,
            buckets: Vec::new(),
        }
    }

    fn add(&mut self, duration: Duration) {
        self.min = if self.count == 0 { duration } else { self.min.min(duration) };
        self.max = self.max.max(duration);
        self.count += 1;
        self.sum = self.sum.saturating_add(duration.as_nanos());
        let bucket = bucket_of(duration);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the average, or `None` if there are no durations.
    pub fn average(&self) -> Option<Duration> {
        let nanos = self.sum.checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Returns the shortest duration, or `None` if there are none.
    pub fn min(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.min)
    }

    /// Returns the longest duration, or `None` if there are none.
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.max)
    }

    /// Returns the duration that `percent` percent of all durations did not exceed, or `None` if there are none.
    /// `percentile(50.0)` is the median.
    ///
    /// `percent` is clamped to `0.0..=100.0`; NaN counts as 0. The result is never too small. It may be too large by
    /// at most 1/32 (3.1 %), but never exceeds [`max`](Durations::max).
    ///
    /// ```
    /// use cancelable::{Registry, Status};
    /// assert_eq!(Registry::new().stats().durations(Status::Completed).percentile(99.0), None);
    /// ```
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        // The cast saturates, and turns NaN into 0.
        let rank = ((percent / 100.0) * self.count as f64).ceil() as u64;
        let rank = rank.clamp(1, self.count);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        bucket.map(|bucket| longest_in(bucket).clamp(self.min, self.max))
    }
}

/// Returns the bucket of a duration: one for each of the first 32 nanoseconds, then 32 for each power
/// of two.
fn bucket_of(duration: Duration) -> usize {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let shift = (nanos / BUCKETS_PER_OCTAVE).checked_ilog2().unwrap_or(0);
    // At most 59 * 32 + 63.
    (u64::from(shift) * BUCKETS_PER_OCTAVE + (nanos >> shift)) as usize
}

/// Returns the longest duration that belongs to a bucket.
fn longest_in(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    let shift = (bucket / BUCKETS_PER_OCTAVE).saturating_sub(1);
    let after = u128::from(bucket - shift * BUCKETS_PER_OCTAVE + 1) << shift;
    // The last bucket ends with the largest `u64`.
    Duration::from_nanos((after - 1) as u64)
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durations")
            .field("count", &self.count)
            .field("average", &self.average())
            .field("min", &self.min())
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::{BUCKETS_PER_OCTAVE, Durations, bucket_of, longest_in};
    use std::time::Duration;

    #[test]
    fn buckets_are_narrow_and_without_gaps() {
        let mut nanos = 0;
        while nanos < u64::MAX {
            let bucket = bucket_of(Duration::from_nanos(nanos));
            let last = longest_in(bucket).as_nanos() as u64;
            assert!(last >= nanos && last - nanos <= nanos / BUCKETS_PER_OCTAVE, "{nanos}..{last}");
            assert_eq!(bucket_of(Duration::from_nanos(last)), bucket);
            let Some(next) = last.checked_add(1) else { break };
            assert_eq!(bucket_of(Duration::from_nanos(next)), bucket + 1);
            nanos = next;
        }
        assert_eq!(bucket_of(Duration::MAX), bucket_of(Duration::from_nanos(u64::MAX)));
    }

    #[test]
    fn percentiles() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile(50.0), None);
        (1..=1000).for_each(|millis| durations.add(Duration::from_millis(millis)));
        assert_eq!(durations.average(), Some(Duration::from_micros(500_500)));
        assert_eq!(durations.min(), Some(Duration::from_millis(1)));
        for (percent, exact) in [(-1.0, 1), (0.0, 1), (f64::NAN, 1), (50.0, 500), (99.0, 990)] {
            let exact = Duration::from_millis(exact);
            let found = durations.percentile(percent).unwrap();
            assert!(found >= exact && found <= exact + exact / 32, "{percent}: {found:?}");
        }
        for percent in [100.0, 1e9, f64::INFINITY] {
            assert_eq!(durations.percentile(percent), durations.max());
        }
    }
}
