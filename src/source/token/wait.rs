//! The futures that wait for a token, and the traits that turn a token into one of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::CancellationToken;
use super::node::Node;
use crate::reason::Reason;
use crate::source::Source;
use crate::wait::{Waiter, is_probe};

macro_rules! futures {
    ($($(#[$doc:meta])* $future:ident $([$lifetime:lifetime])?, $node:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Cancel safety
        ///
        /// Dropping the future removes its waker from the token.
        ///
        /// # Panics
        ///
        /// Panics if polled after completion.
        #[derive(Debug)]
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct $future $(<$lifetime>)? {
            waiting: Waiter<$node>,
        }

        impl $(<$lifetime>)? $future $(<$lifetime>)? {
            #[inline]
            pub(super) fn new(node: $node) -> Self {
                $future { waiting: Waiter::new(node) }
            }

            /// Returns whether the future is pending and a cancellation would wake the task.
            #[inline(always)]
            pub(crate) fn is_unchanged(&self, cx: &Context<'_>) -> bool {
                self.waiting.is_unchanged(cx)
            }

            /// Polls the future, unless `is_protected` says that the calling code is in a section that a cancellation must
            /// not interrupt. In that case, this only registers the waker. A cancellation during the section must wake the
            /// task, because the task may poll the future again after the section.
            pub(crate) fn poll_unless(
                &mut self,
                is_protected: bool,
                cx: &mut Context<'_>,
            ) -> Poll<Reason> {
                if !is_protected {
                    return Pin::new(self).poll(cx);
                }
                if !is_probe(cx.waker()) && !self.is_unchanged(cx) {
                    self.register(cx);
                }
                Poll::Pending
            }

            /// Registers the waker. Returns false if the token is cancelled.
            pub(crate) fn register(&mut self, cx: &Context<'_>) -> bool {
                self.waiting.register(cx)
            }
        }

        impl $(<$lifetime>)? Future for $future $(<$lifetime>)? {
            type Output = Reason;

            #[inline(always)]
            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
                self.waiting.poll(stringify!($future), cx, Reason::clone)
            }
        }

        impl $(<$lifetime>)? FusedFuture for $future $(<$lifetime>)? {
            fn is_terminated(&self) -> bool {
                self.waiting.is_done()
            }
        }
    )*};
}

futures! {
    /// Future of [`CancellationToken::cancelled`]. If `&token` is used as a source, it
    /// converts into this future.
    WaitForCancellation ['a], &'a Node;
    /// Future of [`CancellationToken::cancelled_owned`]. If `token` is used as a
    /// source, it converts into this future. The future keeps the token alive.
    WaitForCancellationOwned, Arc<Node>;
}

impl IntoFuture for CancellationToken {
    type Output = Reason;
    type IntoFuture = WaitForCancellationOwned;

    #[inline]
    fn into_future(self) -> WaitForCancellationOwned {
        self.cancelled_owned()
    }
}

impl<'a> IntoFuture for &'a CancellationToken {
    type Output = Reason;
    type IntoFuture = WaitForCancellation<'a>;

    #[inline]
    fn into_future(self) -> WaitForCancellation<'a> {
        self.cancelled()
    }
}

impl Source for CancellationToken {
    type Future = WaitForCancellationOwned;

    #[inline]
    fn into_source(self) -> WaitForCancellationOwned {
        self.cancelled_owned()
    }
}

impl<'a> Source for &'a CancellationToken {
    type Future = WaitForCancellation<'a>;

    #[inline]
    fn into_source(self) -> WaitForCancellation<'a> {
        self.cancelled()
    }
}
