//! `Invalid`: the error for values that the bus does not accept.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The error returned for a value that the bus does not accept.
///
/// ```
/// use cancelable_bus::Key;
/// let error = Key::new("k".repeat(201)).unwrap_err();
/// assert_eq!(error.to_string(), "invalid key: 201 bytes, at most 200 are allowed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    what: &'static str,
    problem: Problem,
}

/// The problem with a value that the bus does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// It is empty.
    Empty,
    /// It is too long, in bytes of UTF-8.
    TooLong {
        /// Its length.
        length: usize,
        /// The longest length that is allowed.
        limit: usize,
    },
    /// It contains a control character, which some stores cannot hold.
    ControlCharacter,
    /// It is shorter than the shortest time that is allowed.
    TooShort {
        /// The time.
        time: Duration,
        /// The shortest time that is allowed.
        at_least: Duration,
    },
    /// It is longer than the longest time that is allowed.
    TooLate {
        /// The time.
        time: Duration,
        /// The longest time that is allowed.
        at_most: Duration,
    },
}

impl Invalid {
    pub(crate) fn new(what: &'static str, problem: Problem) -> Self {
        Invalid { what, problem }
    }

    /// Returns what the value was meant to be, such as `"key"`.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Returns the problem.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}: ", self.what)?;
        match &self.problem {
            Problem::Empty => f.write_str("it is empty"),
            Problem::TooLong { length, limit } => {
                write!(f, "{length} bytes, at most {limit} are allowed")
            }
            Problem::ControlCharacter => f.write_str("it contains a control character"),
            Problem::TooShort { time, at_least } => {
                write!(f, "{time:?}, at least {at_least:?} is needed")
            }
            Problem::TooLate { time, at_most } => {
                write!(f, "{time:?}, at most {at_most:?} is allowed")
            }
        }
    }
}

impl Error for Invalid {}

/// Checks the length and the characters of a text. Line breaks are allowed if `lines` is true.
pub(crate) fn check_text(
    what: &'static str,
    text: &str,
    limit: usize,
    lines: bool,
) -> Result<(), Invalid> {
    let is_refused = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\t'));
    let problem = match text.len() {
        length if length > limit => Problem::TooLong { length, limit },
        _ if text.chars().any(is_refused) => Problem::ControlCharacter,
        _ => return Ok(()),
    };
    Err(Invalid::new(what, problem))
}

/// Checks that a time lies between two others.
pub(crate) fn check_time(
    what: &'static str,
    time: Duration,
    at_least: Duration,
    at_most: Duration,
) -> Result<(), Invalid> {
    let problem = match time {
        _ if time < at_least => Problem::TooShort { time, at_least },
        _ if time > at_most => Problem::TooLate { time, at_most },
        _ => return Ok(()),
    };
    Err(Invalid::new(what, problem))
}
