//! `Labelled`: a time limit with a name, or with a cause that says why the limit was set.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use pin_project::pin_project;

use super::timeout::{Deadline, Timeout};
use crate::reason::{Reason, TimeoutLabel};
use crate::text::Text;

/// A time limit with a name, a cause or both. Returned by [`Timeout::named`], [`Timeout::because`] and the same methods of
/// [`Deadline`].
///
/// # Panics
///
/// Panics if polled after completion.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Labelled<S> {
    #[pin]
    source: S,
    label: Arc<TimeoutLabel>,
}

impl<S> Labelled<S> {
    fn new(source: S) -> Self {
        Labelled { source, label: Arc::default() }
    }

    fn of_deadline(source: S) -> Self {
        Labelled { source, label: TimeoutLabel::of_deadline().clone() }
    }

    fn label(&mut self) -> &mut TimeoutLabel {
        Arc::make_mut(&mut self.label)
    }
}

impl<S: Future<Output = Reason>> Future for Labelled<S> {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.project();
        this.source.poll(cx).map(|reason| reason.labelled(this.label))
    }
}

impl<S: FusedFuture<Output = Reason>> FusedFuture for Labelled<S> {
    fn is_terminated(&self) -> bool {
        self.source.is_terminated()
    }
}

impl<S> fmt::Debug for Labelled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Labelled").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Implements `named` and `because` for each type. `$into` converts `self` into a `Labelled`.
macro_rules! label_methods {
    ($([$($generics:tt)*] $limit:ty, $Output:ty, $into:expr;)*) => {$(
        impl<$($generics)*> $limit {
            /// Names the limit. The reason is still a [`Reason::Timeout`], and the text of the reason shows the name. An
            /// empty name means no name.
            ///
            /// Use this if several limits may fire: a log then shows which of them did.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::time::{Duration, Instant};
            ///
            /// # smol::block_on(async {
            /// let slow = std::future::pending::<()>();
            /// let limit = timeout(Duration::from_millis(2)).named("index");
            /// let cancelled = slow.cancelable(limit).await.unwrap_err();
            /// assert!(cancelled.is_timeout());
            /// assert_eq!(cancelled.to_string(), "timed out after 2ms (index)");
            /// # let reason = deadline(Instant::now()).named("first").named("second").await;
            /// # assert_eq!(reason.name(), Some("second"));
            /// # });
            /// ```
            pub fn named(self, name: impl Into<Text>) -> $Output {
                let mut labelled = $into(self);
                labelled.label().set_name(name.into());
                labelled
            }

            /// Attaches a cause, which says why the limit is set. The reason is still a [`Reason::Timeout`].
            ///
            /// The text of the reason ends with the text of the cause. If the cause is an error,
            /// [`downcast_ref`](Reason::downcast_ref) and the [source](std::error::Error::source) of
            /// [`Cancelled`](crate::Cancelled) return that error. On any other future,
            /// [`because`](crate::CancelableExt::because) sets the whole reason instead of a cause.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::io;
            /// use std::time::{Duration, Instant};
            ///
            /// # smol::block_on(async {
            /// let slow = std::future::pending::<()>();
            /// let cause = Reason::error(io::Error::other("the index is too large"));
            /// let cancelled =
            ///     slow.cancelable(timeout(Duration::from_millis(2)).because(cause)).await.unwrap_err();
            /// assert!(cancelled.is_timeout());
            /// assert_eq!(cancelled.to_string(), "timed out after 2ms: the index is too large");
            /// assert!(cancelled.reason().downcast_ref::<io::Error>().is_some());
            /// # let reason = deadline(Instant::now()).because("closing").await;
            /// # assert!(reason.to_string().ends_with(": closing"));
            /// # });
            /// ```
            pub fn because(self, cause: impl Into<Reason>) -> $Output {
                let mut labelled = $into(self);
                labelled.label().set_cause(cause.into());
                labelled
            }
        }
    )*};
}

label_methods! {
    [] Timeout, Labelled<Timeout>, Labelled::new;
    [] Deadline, Labelled<Deadline>, Labelled::of_deadline;
    [S] Labelled<S>, Labelled<S>, std::convert::identity;
}
