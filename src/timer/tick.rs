//! Ticks: at which of them the slot of a limit ends.
//!
//! Time is counted in ticks of a millisecond. The width of a slot is the largest power of two ticks
//! that is at most 1/512 of the limit's length, and at least one. So a limit strikes late by less than
//! 1/512 of its length or by less than a millisecond, and never early. Limits of lengths between one
//! power of two and the next fall into at most about a thousand slots, however many limits there are.

use std::time::Duration;

/// How many nanoseconds a tick is long.
pub(super) const TICK: u64 = 1_000_000;

/// Limits are late by at most this part of their length.
const PRECISION_DIVISOR: u64 = 512;

/// The tick at which the slot ends that a limit of this length, ending `at` after the epoch, falls
/// into. `None` where nanoseconds do not reach that far (584 years).
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

    /// Guarantee 5, in numbers: never early, and late by at most max(1 ms, 1/512 of the length).
    #[test]
    fn slots_end_in_time() {
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
    fn what_nanoseconds_do_not_reach_is_never() {
        assert_eq!(end_tick(Duration::MAX, Duration::MAX), None);
        assert_eq!(end_tick(Duration::from_nanos(u64::MAX), Duration::MAX), None);
    }

    #[test]
    fn limits_of_one_length_share_few_slots() {
        let length = Duration::from_secs(60);
        let ticks: HashSet<_> = (0..1_000_000u64)
            .map(|i| end_tick(length + Duration::from_micros(i * 60), length).unwrap())
            .collect();
        assert!(ticks.len() <= 1024, "{} slots", ticks.len());
    }
}
