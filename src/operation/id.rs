//! `OperationId`: which operation, within this process.

use std::fmt;

use crate::sync::{AtomicU64, Ordering};

/// Which operation, within this process. Later operations have larger ones; none is used twice.
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

    /// Models must be the same each time, and the numbers above are not.
    #[cfg(all(test, cancelable_loom))]
    pub(crate) const fn of_model(number: u64) -> Self {
        OperationId(number)
    }

    /// The number itself.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let id = async {}.cancelable(never()).operation().id();
    /// assert_eq!(id.to_string(), id.as_u64().to_string());
    /// ```
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
