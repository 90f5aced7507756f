//! How a header states a time limit.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use crate::grpc_timeout;

/// A header that states how much time a request has, relative to its arrival.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) name: HeaderName,
    unit: Unit,
}

#[derive(Clone, Debug)]
enum Unit {
    /// The value names its unit, as in `grpc-timeout`.
    Named,
    /// A whole number of milliseconds with at most this number of digits.
    Millis(usize),
}

impl Format {
    pub(crate) fn grpc() -> Self {
        Format { name: HeaderName::from_static("grpc-timeout"), unit: Unit::Named }
    }

    pub(crate) fn connect() -> Self {
        let name = HeaderName::from_static("connect-timeout-ms");
        Format { name, unit: Unit::Millis(10) }
    }

    pub(crate) fn millis(name: HeaderName) -> Self {
        Format { name, unit: Unit::Millis(19) }
    }

    /// Reads a value. Returns `None` if it is malformed.
    pub(crate) fn parse(&self, value: &HeaderValue) -> Option<Duration> {
        match &self.unit {
            Unit::Named => grpc_timeout::parse(value.as_bytes()),
            Unit::Millis(most) => digits(value.as_bytes(), *most).map(Duration::from_millis),
        }
    }

    /// Writes a limit, rounded down. Returns `None` if the rounded limit is zero.
    pub(crate) fn write(&self, limit: Duration) -> Option<HeaderValue> {
        let written = match &self.unit {
            Unit::Named => grpc_timeout::write(limit)?,
            Unit::Millis(most) => {
                let largest = 10_u128.pow(*most as u32) - 1;
                let millis = limit.as_millis().min(largest);
                (millis > 0).then(|| millis.to_string())?
            }
        };
        HeaderValue::try_from(written).ok()
    }
}

/// Reads a number of 1 to `most` digits. `most` is at most 19, so the number fits into a `u64`.
pub(crate) fn digits(value: &[u8], most: usize) -> Option<u64> {
    let valid = !value.is_empty() && value.len() <= most && value.iter().all(u8::is_ascii_digit);
    valid.then(|| value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).expect("a header can hold it")
    }

    #[test]
    fn reads_milliseconds() {
        let connect = Format::connect();
        assert_eq!(connect.parse(&value("250")), Some(Duration::from_millis(250)));
        assert_eq!(connect.parse(&value("9999999999")), Some(Duration::from_millis(9_999_999_999)));
        for garbage in ["", "10000000000", "-1", "+1", "1.5", "1 ", "1ms", "0x10"] {
            assert_eq!(connect.parse(&value(garbage)), None, "{garbage}");
        }
        let millis = Format::millis(HeaderName::from_static("x-request-timeout-ms"));
        let longest = "9".repeat(19);
        assert!(millis.parse(&value(&longest)).is_some());
        assert_eq!(millis.parse(&value(&"9".repeat(20))), None);
    }

    #[test]
    fn writes_milliseconds_rounded_down() {
        let connect = Format::connect();
        assert_eq!(connect.write(Duration::from_micros(1_999)), Some(value("1")));
        assert!(connect.write(Duration::from_micros(999)).is_none());
        assert_eq!(connect.write(Duration::MAX), Some(value("9999999999")));
    }
}
