//! Sources: futures of a [`Reason`].
//!
//! A source is any `Future<Output = Reason>`. This module has the sources of this crate. A future of
//! yours with that output is a source too, and [`because`](crate::CancelableExt::because) turns any
//! other future into one.
//!
//! [`any_of`](any_of()) (the first to fire wins) and [`all_of`](all_of()) (all must fire) combine
//! sources into a new one. They are also written `a | b` and `a & b`.
//!
//! # Cancel safety
//!
//! Dropping a source removes everything it had registered. A dropped timeout or condition forgets how
//! much time has passed. A token or a deadline forgets nothing: a new source gives the same answer. For a
//! signal, create the new source before you drop the old one.

mod because;
mod compose;
#[cfg(feature = "time")]
mod condition;
#[cfg(feature = "time")]
mod labelled;
#[cfg(feature = "time")]
mod limit;
mod never;
#[cfg(feature = "signal")]
mod signal;
#[cfg(feature = "time")]
mod timeout;
mod token;

use std::pin::Pin;

use crate::reason::Reason;

pub use because::Because;
pub use compose::{AllOf, AnyOf, Sources, all_of, any_of};
#[cfg(feature = "time")]
pub use condition::{Async, Check, Condition, Inline, condition, condition_async};
#[cfg(feature = "blocking")]
pub use condition::{Blocking, condition_blocking};
#[cfg(feature = "time")]
pub use labelled::Labelled;
#[cfg(feature = "time")]
pub use limit::{Limit, WaitForLimit};
pub use never::{Never, never};
#[cfg(feature = "signal")]
pub use signal::{SignalSource, ctrl_c, signal, signals, termination};
#[cfg(feature = "time")]
pub(crate) use timeout::timeouts_fired;
#[cfg(feature = "time")]
pub use timeout::{Deadline, Timeout, deadline, timeout};
#[cfg(feature = "testing")]
pub(crate) use token::CancelCounts;
pub use token::{
    CancellationToken, DropGuard, Registration, Unregister, WaitForCancellation,
    WaitForCancellationOwned,
};

/// Anything that can cancel work: a future of a [`Reason`], or a token or limit that gives one.
///
/// There is nothing to implement. Every `Future<Output = Reason>` is a source, and so are a
/// [`CancellationToken`], a [`Limit`], and references to them. Use this trait as the bound of
/// a function that takes a source. A source that is stored or sent needs a bound on its future:
/// `Source<Future: Send + 'static>`.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::time::Duration;
///
/// async fn fetch(stop: impl Source) -> Result<u32, Cancelled> {
///     async { 42 }.cancelable(stop).await
/// }
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// assert_eq!(fetch(&token).await, Ok(42));
/// assert_eq!(fetch(timeout(Duration::from_secs(1))).await, Ok(42));
/// # });
/// ```
///
/// A duration is not a source, but [`timeout`](crate::timeout()) makes one of it:
///
/// ```compile_fail
/// use cancelable::prelude::*;
/// use std::time::Duration;
/// let run = async {}.cancelable(Duration::from_secs(1));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source",
    label = "not a future of a `Reason`",
    note = "a source is a `Future<Output = Reason>`, a `CancellationToken` or a reference to one",
    note = "for a `Duration` write `timeout(duration)`, and for an `Instant` write `deadline(instant)`",
    note = "for an `Option` of a source write `any_of(option)`, and for a list of sources `any_of(list)`",
    note = "`ctrl_c()`, `signal(..)` and `termination()` return a `Result`: add `?`",
    note = "for another future, or a token of another crate, write `future.because(\"why\")`"
)]
pub trait Source {
    /// The future that resolves when the source fires.
    type Future: Future<Output = Reason>;

    /// Returns the future that resolves when the source fires.
    fn into_source(self) -> Self::Future;
}

// Not implemented for every `IntoFuture`: compile errors would then say "is not a future", without the help above.
// The attribute is needed for the same reason.
#[diagnostic::do_not_recommend]
impl<F: Future<Output = Reason>> Source for F {
    type Future = F;

    #[inline]
    fn into_source(self) -> F {
        self
    }
}

/// A boxed source. Use it in a struct, for a list of sources of different types, or for a source chosen at
/// run time. [`boxed`] makes one.
pub type BoxSource<'a> = Pin<Box<dyn Future<Output = Reason> + Send + 'a>>;

/// Boxes a source.
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::source::boxed;
///
/// let token = CancellationToken::new();
/// let mut sources: Vec<BoxSource<'_>> = vec![boxed(never())];
/// sources.push(boxed(&token));
/// token.cancel_with("stop");
/// assert_eq!(smol::block_on(any_of(sources)), Reason::manual("stop"));
/// ```
pub fn boxed<'a, S>(source: S) -> BoxSource<'a>
where
    S: Source<Future: Send + 'a>,
{
    Box::pin(source.into_source())
}
