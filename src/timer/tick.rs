//! Ticks: the times at which slots end.
//!
//! Time is counted in ticks of a millisecond. The width of a slot is the largest power of two ticks that is at most
//! 1/512 of the limit's length, and at least one tick. So a limit fires late by less than 1/512 of its length or by
//! less than a millisecond, and never early. Limits whose lengths lie between one power of two and the next are
//! in at most about a thousand slots, however many limits there are.

use std::time::Duration;

/// The length of a tick in nanoseconds.
pub(super) const TICK: u64 = 1_000_000;

/// A limit is late by at most its length divided by this.
const PRECISION_DIVISOR: u64 = 512;

/// Returns the tick at which the slot of a limit ends, if the limit has this length and ends `at` after the epoch.
/// `None` if that is more nanoseconds than 64 bits hold (584 years).
pub(super) fn end_tick(at: Duration, length: Duration) -> Option<u64> {
    let at = u64::try_from(at.as_nanos()).ok()?;
    let length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let width = 1 << (length / (PRECISION_DIVISOR * TICK)).max(1).ilog2();
    let tick = at.div_ceil(TICK).checked_next_multiple_of(width)?;
    tick.checked_mul(TICK).map(|_| tick)
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Guarantee 5: never early, and late by at most max(1 ms, 1/512 of the length).
    #[test]
    fn lateness_is_bounded() {
        for exponent in 0..62 {
            for offset in [0, 1, 12_345] {
                let length = (1u64 << exponent) + offset;
                for start in [0u64, 1, TICK - 1, TICK, 98_765_432_109] {
                    let Some(at) = start.checked_add(length) else { continue };
                    let tick =
                        end_tick(Duration::from_nanos(at), Duration::from_nanos(length)).unwrap();
                    let end = tick * TICK;
                    assert!(end >= at, "early: {length} from {start}");
                    let late = end - at;
                    assert!(late < (length / 512).max(1_000_000), "late: {length} from {start}");
                }
            }
        }
    }

    #[test]
    fn overflow_is_never() {
        assert_eq!(end_tick(Duration::MAX, Duration::MAX), None);
        assert_eq!(end_tick(Duration::from_nanos(u64::MAX), Duration::MAX), None);
    }

    #[test]
    fn slots_are_shared() {
        let length = Duration::from_secs(60);
        let ticks: HashSet<_> = (0..1_000_000u64)
            .map(|i| end_tick(length + Duration::from_micros(i * 60), length).unwrap())
            .collect();
        assert!(ticks.len() <= 1024, "{} slots", ticks.len());
    }
}
