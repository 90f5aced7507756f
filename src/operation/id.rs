//! `OperationId`: the identifier of an operation within this process.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::sync::{AtomicU64, Ordering};

/// The identifier of an operation, unique within this process. Later operations have larger identifiers.
///
/// `Display` prints the identifier as a number, and `parse` reads it back, for example from a log or a URL. After the
/// operation has ended, a registry no longer finds it.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// let first = async {}.cancelable(never()).operation().id();
/// let second = async {}.cancelable(never()).operation().id();
/// assert!(first < second);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(u64);

impl OperationId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        OperationId(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns the number.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let id = async {}.cancelable(never()).operation().id();
    /// assert_eq!(id.to_string(), id.as_u64().to_string());
    /// ```
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Creates an identifier from a number that came from [`as_u64`](Self::as_u64).
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::operation::OperationId;
    ///
    /// let registry = Registry::new();
    /// let future = async {}.cancelable(never()).registered_in(&registry);
    /// let number = future.operation().id().as_u64();
    /// assert!(registry.cancel(OperationId::from_u64(number), "by its number"));
    /// assert!(registry.get(OperationId::from_u64(0)).is_none());
    /// ```
    pub const fn from_u64(number: u64) -> Self {
        OperationId(number)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Parses the digits that `Display` prints.
///
/// # Errors
///
/// [`ParseOperationIdError`] if the string is empty or contains anything besides digits, or if the number is too large.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::operation::OperationId;
///
/// let id = async {}.cancelable(never()).operation().id();
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!("-1".parse::<OperationId>().is_err());
/// ```
impl FromStr for OperationId {
    type Err = ParseOperationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The `u64` parser would accept a plus sign.
        if !text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(ParseOperationIdError(()));
        }
        match text.parse() {
            Ok(number) => Ok(OperationId(number)),
            Err(_) => Err(ParseOperationIdError(())),
        }
    }
}

/// The error returned when a string is not a valid [`OperationId`].
///
/// ```
/// let error = "seven".parse::<cancelable::operation::OperationId>().unwrap_err();
/// assert_eq!(error.to_string(), "not an operation id: expected a number");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseOperationIdError(());

impl fmt::Display for ParseOperationIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an operation id: expected a number")
    }
}

impl Error for ParseOperationIdError {}
