//! `scope` and `try_scope`: operations whose work gets a handle of its own operation.

use std::fmt::Display;

use super::{Cancelable, TryCancelable};
use crate::error::Cancelled;
use crate::operation::Operation;
use crate::source::Source;

/// Creates an operation, passes its handle to `body`, and races the future that `body` returns against
/// `source`.
///
/// `body` is called at once, outside of the operation. The future that `body` returns is polled within the operation. If the
/// source has fired by the first poll, the future is never polled.
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
pub fn scope<S, C, Fut>(source: S, body: C) -> Cancelable<Fut, S::Future>
where
    S: Source,
    C: FnOnce(Operation) -> Fut,
    Fut: Future,
{
    let operation = Operation::new();
    let mut run = Cancelable::new(body(operation.clone()), source);
    run.run_state().set_operation(operation);
    run
}

/// Like [`scope`], for a body that returns a `Result`. A cancellation becomes an error of the same type.
///
/// If the body returns `Err`, the operation is [`Cancelled`](crate::Status::Cancelled) if it has been
/// cancelled, and [`Failed`](crate::Status::Failed) otherwise.
///
/// # Cancel safety
///
/// As for [`Cancelable`].
///
/// # Errors
///
/// The error of the body, or [`Cancelled`], converted into the same type, if the source fires first.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let future = try_scope(never(), async |operation: Operation| {
///     operation.cancel_with("changed my mind");
///     operation.check()?;
///     Ok::<_, Cancelled>(7)
/// });
/// let operation = future.operation();
/// assert!(future.await.is_err());
/// assert_eq!(operation.status(), Status::Cancelled);
/// # });
/// ```
pub fn try_scope<S, C, Fut, T, X>(source: S, body: C) -> TryCancelable<Fut, S::Future>
where
    S: Source,
    C: FnOnce(Operation) -> Fut,
    Fut: Future<Output = Result<T, X>>,
    X: From<Cancelled> + Display,
{
    let operation = Operation::new();
    let mut run = TryCancelable::new(body(operation.clone()), source);
    run.run_state().set_operation(operation);
    run
}
