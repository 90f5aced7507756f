//! `DropGuard`: cancels a token when it is dropped.

use super::CancellationToken;
use crate::reason::Reason;

/// Cancels a token when it is dropped, with the reason [`Reason::Dropped`]. Returned by
/// [`drop_guard`](CancellationToken::drop_guard).
///
/// # Examples
///
/// ```
/// use cancelable::CancellationToken;
///
/// let token = CancellationToken::new();
/// {
///     let _guard = token.drop_guard();
///     // However this block ends, the token is cancelled: at its end, by `?`, or by a panic.
/// }
/// assert!(token.is_cancelled());
/// ```
#[must_use = "dropping it cancels the token at once"]
#[derive(Debug)]
pub struct DropGuard {
    /// `None` once the guard has been disarmed.
    token: Option<CancellationToken>,
}

impl DropGuard {
    pub(super) fn new(token: CancellationToken) -> Self {
        DropGuard { token: Some(token) }
    }

    /// Returns the token without cancelling it.
    ///
    /// ```
    /// let guard = cancelable::CancellationToken::new().drop_guard();
    /// assert!(!guard.disarm().is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancellationToken {
        match self.token.take() {
            Some(token) => token,
            None => unreachable!("only `disarm` takes the token, and it consumes the guard"),
        }
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel_with(Reason::Dropped);
        }
    }
}
