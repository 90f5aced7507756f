//! `parse_duration`: parses durations in the arguments of a program, in the format of the attribute.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::grammar::{self, Messages};

const ARGUMENT: Messages = Messages {
    empty: "the duration is empty: write a number and a unit, such as \"30s\"",
    negative: "is negative: a duration cannot be",
    zero: None,
};

/// Parses a duration such as `30s`, `1m30s` or `1.5h`, as the attribute [`cancelable`](macro@crate::cancelable) does.
///
/// A duration is one or more numbers, each with its unit: `h`, `m`, `s`, `ms`, `us` (or `µs`) or `ns`. Each unit can appear
/// once, and larger units come first. The last number may have a fraction. Spaces are not allowed, and neither is a number
/// without a unit. Zero is allowed: a time limit of `0s` has passed before the work starts.
///
/// # Errors
///
/// The error says what was expected.
///
/// # Examples
///
/// ```
/// use cancelable::command_line::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("1m30s")?, Duration::from_secs(90));
/// let error = parse_duration("30").unwrap_err().to_string();
/// assert!(error.starts_with("\"30\" has no unit: write one of `h`, `m`, `s`"));
/// # Ok::<(), cancelable::command_line::InvalidDuration>(())
/// ```
///
/// As the parser of an option of `clap`:
///
/// ```
/// use cancelable::command_line::parse_duration;
/// use clap::Parser;
/// use std::time::Duration;
///
/// #[derive(Parser)]
/// struct Args {
///     /// Stop after this long
///     #[arg(long, value_parser = parse_duration)]
///     timeout: Option<Duration>,
/// }
///
/// let args = Args::parse_from(["program", "--timeout", "1.5s"]);
/// assert_eq!(args.timeout, Some(Duration::from_millis(1500)));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    grammar::parse(text, &ARGUMENT).map_err(InvalidDuration)
}

/// The error that [`parse_duration`] returns if a string is not a valid duration.
///
/// See [`parse_duration`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDuration(String);

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidDuration {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only a few cases: the tests of the attribute cover the grammar.
    #[test]
    fn accepted() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn refused() {
        for (text, message) in [
            ("", "the duration is empty: write a number and a unit, such as \"30s\""),
            ("-1s", "\"-1s\" is negative: a duration cannot be"),
            ("1m 30s", "\"1m 30s\" has a space in it: write it without, such as \"1m30s\""),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().to_string(), message);
        }
    }
}
