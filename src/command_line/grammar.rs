//! Parsing of a duration such as `"1m30s"`.
//!
//! The packages `cancelable` and `cancelable-macros` each have a copy of this file, because a package of macros can export
//! nothing but macros. A test checks that the copies are equal.

use std::time::Duration;

/// The units and their nanoseconds, from large to small.
const UNITS: [(&str, u128); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    // The micro sign, and the Greek letter mu, which looks the same.
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ns", 1),
];

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A fraction with more digits than this is not a whole number of nanoseconds, even if the unit is an hour.
const MOST_DIGITS: usize = 13;

/// Error messages that depend on the use of the duration.
pub(crate) struct Messages {
    pub(crate) empty: &'static str,
    pub(crate) negative: &'static str,
    /// `None` if zero is allowed.
    pub(crate) zero: Option<&'static str>,
}

/// Parses a duration. The error is a message for the user.
pub(crate) fn parse(text: &str, messages: &Messages) -> Result<Duration, String> {
    let problem = |what: &str| Err(format!("{text:?} {what}"));

    if text.is_empty() {
        return Err(messages.empty.into());
    }
    if text.contains(char::is_whitespace) {
        return problem("has a space in it: write it without, such as \"1m30s\"");
    }
    if text.starts_with('-') {
        return problem(messages.negative);
    }

    let mut total: u128 = 0;
    let mut smallest = u128::MAX;
    let mut fractional = false;
    let mut rest = text;
    while !rest.is_empty() {
        if fractional {
            return problem("has a fraction before its last part: only the last may have one");
        }
        let part = Part::take(&mut rest);
        if part.whole.is_empty() {
            return match part.fraction {
                Some(_) => problem("has no digit before the point: write \"0.5s\", not \".5s\""),
                None => problem(&format!("has no number before `{}`", part.unit)),
            };
        }
        if part.fraction == Some("") {
            return problem("has no digit after the point");
        }
        if part.unit.is_empty() {
            return problem(&format!("has no unit: write one of {}", units()));
        }
        let Some(&(_, unit)) = UNITS.iter().find(|(name, _)| *name == part.unit) else {
            return problem(&format!("has the unknown unit `{}`: use {}", part.unit, units()));
        };
        if unit >= smallest {
            return problem("has its units out of order: each once, from large to small");
        }
        smallest = unit;
        fractional = part.fraction.is_some();

        let Some(fraction) = part.fraction_of(unit) else {
            return problem("is finer than a nanosecond");
        };
        let whole = part.whole.parse().ok().and_then(|whole: u128| whole.checked_mul(unit));
        let Some(sum) = whole.and_then(|whole| whole.checked_add(total + fraction)) else {
            return problem(TOO_LONG);
        };
        if u64::try_from(sum / NANOS_PER_SECOND).is_err() {
            return problem(TOO_LONG);
        }
        total = sum;
    }

    if let (0, Some(zero)) = (total, messages.zero) {
        return problem(zero);
    }
    let Ok(seconds) = u64::try_from(total / NANOS_PER_SECOND) else { return problem(TOO_LONG) };
    Ok(Duration::new(seconds, (total % NANOS_PER_SECOND) as u32))
}

const TOO_LONG: &str = "is longer than a `Duration` can be";

/// Returns the list of units, for messages.
fn units() -> &'static str {
    "`h`, `m`, `s`, `ms`, `us` (or `\u{b5}s`) or `ns`"
}

/// A number and its unit, as written.
struct Part<'a> {
    whole: &'a str,
    /// Digits after the decimal point, if there is one.
    fraction: Option<&'a str>,
    unit: &'a str,
}

impl<'a> Part<'a> {
    /// Takes the first part off `rest`, which must not be empty. Always takes at least one character.
    fn take(rest: &mut &'a str) -> Self {
        let mut take = |wanted: fn(char) -> bool| {
            let end = rest.find(|found| !wanted(found)).unwrap_or(rest.len());
            let (taken, left) = rest.split_at(end);
            *rest = left;
            taken
        };
        let whole = take(|found| found.is_ascii_digit());
        let point = take(|found| found == '.');
        let fraction = take(|found| found.is_ascii_digit());
        let unit = take(|found| !found.is_ascii_digit() && found != '.');
        // Two points in a row count as a missing digit.
        let fraction = match point {
            "" => None,
            "." => Some(fraction),
            _ => Some(""),
        };
        Part { whole, fraction, unit }
    }

    /// Returns the fraction of `unit` in nanoseconds, if it is a whole number of them.
    fn fraction_of(&self, unit: u128) -> Option<u128> {
        let digits = self.fraction.unwrap_or("").trim_end_matches('0');
        if digits.is_empty() {
            return Some(0);
        }
        if digits.len() > MOST_DIGITS {
            return None;
        }
        let numerator = digits.parse::<u128>().ok()? * unit;
        let denominator = 10_u128.pow(u32::try_from(digits.len()).ok()?);
        (numerator % denominator == 0).then_some(numerator / denominator)
    }
}
