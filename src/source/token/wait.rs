//! The futures that wait for a token.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::node::Node;
use crate::reason::Reason;
use crate::wait::{Waiter, is_probe};

macro_rules! futures {
    ($($(#[$doc:meta])* $future:ident $([$lifetime:lifetime])?, $node:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Cancel safety
        ///
        /// Dropping it removes its waker from the token.
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

            /// Polls the future, unless `is_protected` says that the calling code is in a section that protects it.
            /// In that case, this only registers the waker: the task may poll the future outside of the section
            /// later, and a cancellation must have woken it by then.
            pub(crate) fn poll_unless(
                &mut self,
                is_protected: bool,
                cx: &mut Context<'_>,
            ) -> Poll<Reason> {
                if !is_protected {
                    return Pin::new(self).poll(cx);
                }
                if !is_probe(cx.waker()) && !self.is_unchanged(cx) {
                    self.waiting.register(cx);
                }
                Poll::Pending
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
    /// Future of [`CancellationToken::cancelled`](super::CancellationToken::cancelled), and of `&token`
    /// as a source.
    WaitForCancellation ['a], &'a Node;
    /// Future of [`CancellationToken::cancelled_owned`](super::CancellationToken::cancelled_owned), and
    /// of `token` as a source. Keeps the token alive.
    WaitForCancellationOwned, Arc<Node>;
}
