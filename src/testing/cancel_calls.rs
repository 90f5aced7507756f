//! `CancelCalls`: counts the calls that cancel a token.

use std::sync::Arc;

use crate::source::{CancelCounts, CancellationToken};

/// Counts the calls that cancel a token: the call that cancelled it, and the calls that were refused because the token was
/// cancelled already.
///
/// Use it to test that code cancels exactly once, or that it does not try again. Every call of
/// [`cancel`](CancellationToken::cancel) and [`cancel_with`](CancellationToken::cancel_with) counts, through any handle of
/// the token. Dropping a [`drop_guard`](CancellationToken::drop_guard) counts too. A cancellation of a parent does not
/// count, because it calls nothing on this token.
///
/// To count for an operation, watch [its token](crate::Operation::token).
///
/// # Examples
///
/// ```
/// use cancelable::CancellationToken;
/// use cancelable::testing::CancelCalls;
///
/// let token = CancellationToken::new();
/// let calls = CancelCalls::of(&token);
/// assert_eq!((calls.first(), calls.refused()), (0, 0));
///
/// token.cancel_with("stop");
/// drop(token.drop_guard());
/// assert_eq!((calls.first(), calls.refused()), (1, 1));
/// ```
#[derive(Clone, Debug)]
pub struct CancelCalls(Arc<CancelCounts>);

impl CancelCalls {
    /// Starts to count the calls that cancel this token.
    ///
    /// If this is called again for the same token, it returns a handle to the same counts.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// use cancelable::testing::CancelCalls;
    /// let token = CancellationToken::new();
    /// let calls = CancelCalls::of(&token);
    /// token.cancel();
    /// assert_eq!(CancelCalls::of(&token).first(), calls.first());
    /// ```
    pub fn of(token: &CancellationToken) -> Self {
        CancelCalls(token.cancel_counts())
    }

    /// Returns the number of calls that cancelled the token: 0 or 1.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// use cancelable::testing::CancelCalls;
    /// let token = CancellationToken::new();
    /// let calls = CancelCalls::of(&token);
    /// token.cancel();
    /// assert_eq!(calls.first(), 1);
    /// ```
    pub fn first(&self) -> usize {
        self.0.first()
    }

    /// Returns the number of calls that were refused because the token was cancelled already.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// use cancelable::testing::CancelCalls;
    /// let parent = CancellationToken::new();
    /// let token = parent.child_token();
    /// let calls = CancelCalls::of(&token);
    /// parent.cancel();
    /// token.cancel();
    /// assert_eq!((calls.first(), calls.refused()), (0, 1));
    /// ```
    pub fn refused(&self) -> usize {
        self.0.refused()
    }
}
