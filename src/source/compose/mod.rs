//! Composing sources: `any_of` (OR), `all_of` (AND) and the lists of sources that they take.
//!
//! * [`earliest`]: which of several time limits ended first.
//! * [`list`]: arrays and vectors.
//! * [`tuple`]: tuples, polled in place.
//! * [`operators`]: `a | b` and `a & b`.

mod earliest;
mod list;
mod operators;
mod tuple;

use std::any::type_name;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use pin_project::pin_project;

use crate::reason::Reason;
use crate::wait::polled_after_completion;

/// Creates a source that fires as soon as one of `sources` fires, with that source's reason.
///
/// If several sources are ready in the same poll, the first in the list wins. Time limits are the exception: if several
/// limits have passed, the one with the earliest end wins. Once a source has fired, the others are dropped. `any_of([])`
/// never fires.
///
/// For sources of this crate, `a | b` does the same.
///
/// Sources nest to any depth. Polling and dropping nested boxed sources uses stack space for each level: a
/// thousand levels fit into 2 MiB in a debug build.
///
/// # Cancel safety
///
/// Dropping the future drops all its sources.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// token.cancel_with("stop");
/// let sources = any_of((timeout(Duration::from_secs(60)), &token));
/// let work = std::future::pending::<()>();
/// assert!(work.cancelable(sources).await.unwrap_err().is_manual());
/// # });
/// ```
pub fn any_of<L: Sources>(sources: L) -> AnyOf<L> {
    AnyOf { sources: Some(sources.first()) }
}

/// Creates a source that fires once all of `sources` have fired, with the reason [`Reason::All`].
///
/// That reason holds the reason of each source, in the order of the list. The sources need not fire at the same time. When a
/// source fires, its reason is kept, and the source is not polled again. `all_of([])` never fires.
///
/// For sources of this crate, `a & b` does the same.
///
/// Sources nest to any depth. Polling and dropping nested boxed sources uses stack space for each level: a
/// thousand levels fit into 2 MiB in a debug build, or seven hundred if each level is a list of more
/// than thirty sources.
///
/// # Cancel safety
///
/// Dropping the future forgets which sources have fired.
///
/// # Examples
///
/// Wait at least 5 ms, and until the data is there:
///
/// ```
/// use cancelable::prelude::*;
/// use std::time::{Duration, Instant};
///
/// # smol::block_on(async {
/// let ready = CancellationToken::new();
/// ready.cancel_with("data complete");
/// let start = Instant::now();
/// let reason = all_of((timeout(Duration::from_millis(5)), &ready)).await;
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// assert_eq!(reason.leaves()[1], Reason::manual("data complete"));
/// # });
/// ```
pub fn all_of<L: Sources>(sources: L) -> AllOf<L> {
    AllOf { sources: Some(sources.every()) }
}

/// A list of sources, for [`any_of`] and [`all_of`]: a tuple of up to twelve sources of any types, or
/// an array, a `Vec`, a boxed slice or an `Option` of sources of one type.
///
/// Each element may be any [`Source`](crate::Source): a future of a [`Reason`], or a token such as `&token`. Tuples and
/// options are polled in place. The other lists allocate memory when the source is created. Collect an iterator into a `Vec`
/// first.
///
/// An `Option` is a list of at most one source, and `any_of(None)` never fires. So write `any_of(option)` to race an
/// optional source, alone or in a tuple: `any_of((timeout(limit), any_of(option)))`. An `Option` itself is not a source.
/// `Source` is implemented for every future, and the compiler rejects another implementation for `Option`, because the
/// standard library may make `Option` a future one day.
///
/// ```
/// use cancelable::prelude::*;
///
/// async fn work(stop: Option<&CancellationToken>) -> Result<u32, Cancelled> {
///     async { 7 }.cancelable(any_of(stop)).await
/// }
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// token.cancel();
/// assert_eq!(work(None).await, Ok(7));
/// assert!(work(Some(&token)).await.is_err());
/// # });
/// ```
///
/// This trait is sealed. Use it as a bound when your function passes a list on to `any_of` or
/// `all_of`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of sources",
    label = "not a list of sources",
    note = "`any_of` and `all_of` take one list: a tuple `any_of((a, b))`, an array, a `Vec`, or an `Option`",
    note = "each element is a future of a `Reason`, or a token, or a reference to one"
)]
pub trait Sources: sealed::Sealed {
    /// Resolves when the first of the sources fires.
    #[doc(hidden)]
    type First: Future<Output = Reason>;
    /// Resolves once every source has fired.
    #[doc(hidden)]
    type Every: Future<Output = Vec<Reason>>;

    #[doc(hidden)]
    fn first(self) -> Self::First;
    #[doc(hidden)]
    fn every(self) -> Self::Every;
}

mod sealed {
    pub trait Sealed {}
}

/// Source of [`any_of`].
///
/// # Panics
///
/// Panics if polled after completion.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct AnyOf<L: Sources> {
    /// `None` once a source has fired.
    #[pin]
    sources: Option<L::First>,
}

impl<L: Sources> Future for AnyOf<L> {
    type Output = Reason;

    // Always inlined, like the `poll` of the tuples that this function calls.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let mut sources = self.project().sources;
        let Some(first) = sources.as_mut().as_pin_mut() else { polled_after_completion("AnyOf") };
        match first.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(reason) => {
                sources.set(None);
                Poll::Ready(reason)
            }
        }
    }
}

/// Source of [`all_of`].
///
/// # Panics
///
/// Panics if polled after completion.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct AllOf<L: Sources> {
    /// `None` once all sources have fired.
    #[pin]
    sources: Option<L::Every>,
}

impl<L: Sources> Future for AllOf<L> {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let mut sources = self.project().sources;
        let Some(every) = sources.as_mut().as_pin_mut() else { polled_after_completion("AllOf") };
        match every.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(reasons) => {
                sources.set(None);
                Poll::Ready(Reason::all(reasons))
            }
        }
    }
}

macro_rules! fused_and_debug {
    ($($source:ident)*) => {$(
        impl<L: Sources> FusedFuture for $source<L> {
            fn is_terminated(&self) -> bool {
                self.sources.is_none()
            }
        }

        impl<L: Sources> fmt::Debug for $source<L> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($source))
                    .field("sources", &format_args!("{}", type_name::<L>()))
                    .field("fired", &self.sources.is_none())
                    .finish()
            }
        }
    )*};
}

fused_and_debug! { AnyOf AllOf }
