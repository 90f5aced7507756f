//! `CancelableExt`: the methods that every future gains.

use super::{Cancelable, TryCancelable};
use crate::error::Cancelled;
use crate::reason::Reason;
use crate::source::{Because, CancellationToken, Source, WaitForCancellation};

/// Extension methods that race a future against a source, or turn a future into a source.
///
/// Every future has them. The [prelude](crate::prelude) imports this trait.
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let answer = async { 42 }.cancelable(never()).await?;
/// assert_eq!(answer, 42);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
pub trait CancelableExt: Future {
    /// Races this future against a source. Resolves to `Ok` with the future's value, or to `Err` with the
    /// reason if the source fires first.
    ///
    /// A [`Source`] is one of [`cancelable::source`](crate::source), a [token](CancellationToken), a reference
    /// to a token, or any future of a [`Reason`].
    ///
    /// # Ties
    ///
    /// * If the source has fired by the first poll, the source wins: the future is dropped without having
    ///   been polled.
    /// * If the source fires later, the future gets one last poll in the same call. If the future is ready then, its value
    ///   wins: a finished value is never thrown away.
    /// * The future is dropped before `Err` is returned.
    ///
    /// # Cancel safety
    ///
    /// A cancellation drops the future at the `.await` it has reached. Dropping the `Cancelable` drops both
    /// the future and the source.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the source fires first.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// let limits = any_of((timeout(Duration::from_secs(60)), &token));
    /// let answer = async { 6 * 7 }.cancelable(limits).await?;
    /// assert_eq!(answer, 42);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    fn cancelable<S>(self, source: S) -> Cancelable<Self, S::Future>
    where
        Self: Sized,
        S: Source,
    {
        Cancelable::new(self, source)
    }

    /// Races a future that returns a `Result` against a source. A cancellation becomes an error of the same type, which must
    /// implement `From<Cancelled>`.
    ///
    /// # Cancel safety
    ///
    /// As for [`cancelable`](Self::cancelable).
    ///
    /// # Errors
    ///
    /// The error of the future, or [`Cancelled`], converted into the same type, if the source fires first.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::io;
    ///
    /// # smol::block_on(async {
    /// let read = async { io::Result::Ok(42) };
    /// assert_eq!(read.try_cancelable(never()).await?, 42);
    ///
    /// let token = CancellationToken::new();
    /// token.cancel();
    /// let read = async { io::Result::Ok(42) };
    /// let error = read.try_cancelable(&token).await.unwrap_err();
    /// assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    /// # io::Result::Ok(()) }).unwrap();
    /// ```
    fn try_cancelable<S, T, E>(self, source: S) -> TryCancelable<Self, S::Future>
    where
        Self: Future<Output = Result<T, E>> + Sized,
        E: From<Cancelled>,
        S: Source,
    {
        TryCancelable::new(self, source)
    }

    /// Turns this future into a source. When the future is ready, the source fires for `reason`, and the value of
    /// the future is dropped.
    ///
    /// To make the reason from the value of the future, use `map` of the crate `futures` or an async block instead: any
    /// future of a [`Reason`] is a source.
    ///
    /// # Cancel safety
    ///
    /// The same as for this future.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let (sender, receiver) = futures::channel::oneshot::channel::<()>();
    /// drop(sender);
    /// let work = std::future::pending::<()>();
    /// let cancelled = work.cancelable(receiver.because("the caller hung up")).await.unwrap_err();
    /// assert_eq!(cancelled.to_string(), "cancelled: the caller hung up");
    /// # });
    /// ```
    fn because(self, reason: impl Into<Reason>) -> Because<Self>
    where
        Self: Sized,
    {
        Because::new(self, reason.into())
    }
}

impl<F: Future> CancelableExt for F {}

impl CancellationToken {
    /// Runs a future until this token is cancelled. The same as `future.cancelable(&token)`.
    ///
    /// # Cancel safety
    ///
    /// As for [`cancelable`](CancelableExt::cancelable).
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the token is cancelled first.
    ///
    /// # Examples
    ///
    /// ```
    /// # smol::block_on(async {
    /// let token = cancelable::CancellationToken::new();
    /// assert_eq!(token.run_until_cancelled(async { 42 }).await, Ok(42));
    /// # });
    /// ```
    pub fn run_until_cancelled<F: Future>(
        &self,
        future: F,
    ) -> Cancelable<F, WaitForCancellation<'_>> {
        Cancelable::new(future, self)
    }
}
