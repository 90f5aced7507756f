//! `scope`: a run whose work gets the handle of its own operation.

use std::fmt::Display;

use super::{Cancelable, TryCancelable};
use crate::{Cancelled, Operation, Reason};

/// Runs what `body` returns under a source, as an operation whose handle `body` gets.
///
/// `body` is called here and now, outside of the operation. The future that it returns is polled
/// within, and not at all where the source has fired by the first poll.
///
/// # Cancel safety
///
/// As for [`Cancelable`].
///
/// # Errors
///
/// [`Cancelled`] if the source fires first.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// let sum = scope(&token, async |operation: Operation| {
///     let mut sum = 0;
///     for number in 1..=4 {
///         sum += number;
///         operation.report_progress(Progress::steps(number, 4));
///     }
///     sum
/// });
/// assert_eq!(sum.named("sum").await?, 10);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
pub fn scope<S, C, Fut>(source: S, body: C) -> Cancelable<Fut, S::IntoFuture>
where
    S: IntoFuture<Output = Reason>,
    C: FnOnce(Operation) -> Fut,
    Fut: Future,
{
    let operation = Operation::new();
    let mut run = Cancelable::new(body(operation.clone()), source);
    run.run_state().observe_as(operation);
    run
}

/// [`scope`] for a body that may fail: one `Result` instead of two.
///
/// # Cancel safety
///
/// As for [`Cancelable`].
///
/// # Errors
///
/// The error of the body, or [`Cancelled`] as one if the source fires first.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let run = try_scope(never(), async |operation: Operation| {
///     operation.cancel_with("changed my mind");
///     operation.check()?;
///     Ok::<_, Cancelled>(7)
/// });
/// let operation = run.operation();
/// assert!(run.await.is_err());
/// assert_eq!(operation.status(), Status::Cancelled);
/// # });
/// ```
pub fn try_scope<S, C, Fut, T, X>(source: S, body: C) -> TryCancelable<Fut, S::IntoFuture>
where
    S: IntoFuture<Output = Reason>,
    C: FnOnce(Operation) -> Fut,
    Fut: Future<Output = Result<T, X>>,
    X: From<Cancelled> + Display,
{
    let operation = Operation::new();
    let mut run = TryCancelable::new(body(operation.clone()), source);
    run.run_state().observe_as(operation);
    run
}
