//! Ticks: the times at which slots end.
//!
//! Time is counted in ticks of a millisecond. A limit of up to four seconds fires at the end of the tick in which it
//! ends. For a longer limit, the number of ticks in a slot is a power of two: the largest one that is at most 1/512 of the
//! limit's time beyond four seconds, but at least one tick. So a limit never fires early, and fires late by less than a
//! millisecond or by less than 1/512 of its length. Limits of one length are in at most about 1,100 slots if they are
//! longer than a minute, and in at most about 5,000 otherwise, however many limits there are.

use std::time::Duration;

/// The length of a tick in nanoseconds.
pub(super) const TICK: u64 = 1_000_000;

/// Limits of up to this length are late by less than a tick.
const PRECISE: u64 = 4_000 * TICK;

/// A longer limit is late by less than a tick, or by less than its time beyond `PRECISE` divided by this number.
const PRECISION_DIVISOR: u64 = 512;

/// Returns the tick at which the slot of a limit ends. The limit has this length and ends `at` after the epoch. Returns
/// `None` if the time from the epoch to the end of the slot, in nanoseconds, does not fit into 64 bits (584 years).
pub(super) fn end_tick(at: Duration, length: Duration) -> Option<u64> {
    let at = u64::try_from(at.as_nanos()).ok()?;
    let length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let beyond = length.saturating_sub(PRECISE);
    let width = 1 << (beyond / (PRECISION_DIVISOR * TICK)).max(1).ilog2();
    let tick = at.div_ceil(TICK).checked_next_multiple_of(width)?;
    tick.checked_mul(TICK).map(|_| tick)
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Guarantee 5: a limit is never early. It is late by less than 1 ms, or by less than 1/512 of its length beyond four
    /// seconds.
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
                    let beyond = length.saturating_sub(4_000_000_000);
                    assert!(late < (beyond / 512).max(1_000_000), "late: {length} from {start}");
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
