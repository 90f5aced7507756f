//! Sources: futures that cancel work when they resolve to a [`Reason`].
//!
//! Every `Future<Output = Reason>` is a source. This module has the sources that the crate provides. Your own futures with
//! that output are sources too, and [`because`](crate::CancelableExt::because) turns any other future into a source.
//!
//! [`any_of`](any_of()) (the first to fire wins) and [`all_of`](all_of()) (all must fire) combine sources into a new source.
//! For the sources of this crate, you can also write `a | b` and `a & b`.
//!
//! # Cancel safety
//!
//! Dropping a source removes everything that the source has registered. A dropped timeout or condition forgets how much time
//! has passed. Dropping a deadline, or the wait for a token, loses nothing: a new source for the same instant or token fires
//! just the same. A signal that arrives while there is no source for it is lost, so create the new source before you drop
//! the old one.

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
pub(crate) use token::CancelObserver;
pub use token::{
    CancellationToken, DropGuard, Registration, Unregister, WaitForCancellation,
    WaitForCancellationOwned,
};

/// Anything that can cancel work: a future that resolves to a [`Reason`], or a token or limit that converts into such a
/// future.
///
/// There is nothing to implement. Every `Future<Output = Reason>` is a source, and so are a [`CancellationToken`], a
/// [`Limit`], and references to them. Use this trait as the bound of a function that takes a source. If the function stores
/// the source or sends it to another thread, put a bound on the future of the source as well:
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
/// A duration is not a source, but [`timeout`](crate::timeout()) makes a source of it:
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

// `Source` is implemented for every future, but not for every `IntoFuture`. Otherwise, compile errors would say "is not a
// future", without the help above. `do_not_recommend` is needed for the same reason.
#[diagnostic::do_not_recommend]
impl<F: Future<Output = Reason>> Source for F {
    type Future = F;

    #[inline]
    fn into_source(self) -> F {
        self
    }
}

/// A boxed source. Use it in a struct, for a list of sources of different types, or for a source chosen at run time. Created
/// by [`boxed`].
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
