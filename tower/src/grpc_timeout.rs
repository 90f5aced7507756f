//! The value of a `grpc-timeout` header: at most eight digits and a unit.

use std::time::Duration;

/// The largest number that eight digits can hold.
const LARGEST: u128 = 99_999_999;

/// The units, from the finest to the coarsest, with their length.
const UNITS: [(u8, Duration); 6] = [
    (b'n', Duration::from_nanos(1)),
    (b'u', Duration::from_micros(1)),
    (b'm', Duration::from_millis(1)),
    (b'S', Duration::from_secs(1)),
    (b'M', Duration::from_secs(60)),
    (b'H', Duration::from_secs(3_600)),
];

/// Reads a value. Returns `None` if it is malformed.
pub(crate) fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let &(_, length) = UNITS.iter().find(|(name, _)| name == unit)?;
    let number = super::format::digits(digits, 8)?;
    length.checked_mul(u32::try_from(number).ok()?)
}

/// Writes a limit in the finest unit that can hold it, rounded down. A limit that is too long for the format becomes the
/// longest limit that the format can hold. Returns `None` for a limit of zero.
pub(crate) fn write(limit: Duration) -> Option<String> {
    if limit.is_zero() {
        return None;
    }
    let in_units = |length: Duration| limit.as_nanos() / length.as_nanos();
    let fits = UNITS.iter().find(|(_, length)| in_units(*length) <= LARGEST);
    let (number, unit) = match fits {
        Some(&(unit, length)) => (in_units(length), unit),
        None => (LARGEST, b'H'),
    };
    Some(format!("{number}{}", char::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_unit() {
        assert_eq!(parse(b"3H"), Some(Duration::from_secs(3 * 3_600)));
        assert_eq!(parse(b"2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse(b"10S"), Some(Duration::from_secs(10)));
        assert_eq!(parse(b"250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse(b"7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse(b"00000001n"), Some(Duration::from_nanos(1)));
        assert_eq!(parse(b"0m"), Some(Duration::ZERO));
        assert_eq!(parse(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
    }

    #[test]
    fn refuses_garbage() {
        let values: [&[u8]; 12] = [
            b"",
            b"m",
            b"1",
            b"-1m",
            b"+1m",
            b"1 m",
            b" 1m",
            b"1.5S",
            b"123456789m",
            b"1s",
            b"1mm",
            b"\xff\xffm",
        ];
        for value in values {
            assert_eq!(parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn writes_the_finest_unit_that_fits() {
        let written = |limit| write(limit).expect("the limit is not zero");
        assert_eq!(written(Duration::from_nanos(1)), "1n");
        assert_eq!(written(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(written(Duration::from_nanos(100_000_999)), "100000u");
        assert_eq!(written(Duration::from_millis(499)), "499000u");
        assert_eq!(written(Duration::from_secs(100)), "100000m");
        assert_eq!(written(Duration::MAX), "99999999H");
        assert_eq!(write(Duration::ZERO), None);
    }

    #[test]
    fn never_gets_longer_on_the_way() {
        for bits in 0..64 {
            let limit = Duration::from_nanos((1 << bits) | 1);
            let read = parse(write(limit).expect("the limit is not zero").as_bytes());
            let read = read.expect("what was written can be read");
            assert!(read <= limit && !read.is_zero(), "{limit:?} became {read:?}");
        }
    }
}
