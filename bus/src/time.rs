//! `StoreTime`: a point in time on the clock of the store.

use std::time::Duration;

/// A point in time on the clock of the store, in microseconds since an origin that the store chooses.
///
/// All times of the bus are the store's. The clocks of the processes are never compared.
///
/// ```
/// use cancelable_bus::StoreTime;
/// use std::time::Duration;
/// let time = StoreTime::from_micros(5_000_000);
/// assert_eq!((time + Duration::from_secs(1)).since(time), Duration::from_secs(1));
/// assert_eq!(time.since(time + Duration::from_secs(1)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTime(i64);

impl StoreTime {
    /// Creates a point in time from microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        StoreTime(micros)
    }

    /// Returns the microseconds.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the time that has passed since `earlier`, or zero if `earlier` is the later of the two.
    pub fn since(self, earlier: StoreTime) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

/// Adds a duration. The result saturates.
impl std::ops::Add<Duration> for StoreTime {
    type Output = StoreTime;

    fn add(self, length: Duration) -> StoreTime {
        let micros = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        StoreTime(self.0.saturating_add(micros))
    }
}
