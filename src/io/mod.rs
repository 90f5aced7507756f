//! Readers, writers and sinks raced against a source.
//!
//! [`cancelable_reader`](CancelableReadExt::cancelable_reader), [`cancelable_writer`](CancelableWriteExt::cancelable_writer)
//! and [`cancelable_sink`](CancelableSinkExt::cancelable_sink) return a wrapper that is a reader, writer or sink itself. Use
//! them if a parser, a TLS library or a framed protocol does the reading or writing, because you cannot race the futures
//! inside such code yourself. In your own code, `reader.read(&mut buffer).cancelable(source)` works without a wrapper.
//!
//! The traits are those of [`futures::io`]. For the traits of tokio, convert the inner object and then the wrapper,
//! with `compat()` of the crate `tokio-util`.
//!
//! # Which side wins
//!
//! * The source is polled before each call. Once the source has fired, the inner object is not called again, and every call
//!   returns the error. So even a reader that is always ready is cancelled.
//! * If a call is pending and the source fires, the task is woken, and the call returns the error.
//! * Bytes are never lost: a read that has received bytes returns them. The inner object is not dropped: `into_inner`
//!   returns it, together with everything that it has buffered.
//!
//! The whole contract is guarantee 19 of the [semantics](crate::_docs::semantics).
//!
//! # Errors
//!
//! A reader or a writer returns an [`io::Error`](std::io::Error) that holds the [`Cancelled`](crate::Cancelled). The kind of
//! the error is `TimedOut` if only time limits caused the cancellation, and `Other` otherwise. The kind is never
//! `Interrupted`, because the loops of the standard library retry a call that returns `Interrupted`.
//!
//! ```
//! use cancelable::prelude::*;
//! use futures::{AsyncReadExt, io};
//!
//! # smol::block_on(async {
//! let token = CancellationToken::new();
//! let (reader, _writer) = futures_pipe();
//! let mut reader = reader.cancelable_reader(&token);
//! token.cancel_with("closing");
//!
//! let error = reader.read(&mut [0; 8]).await.unwrap_err();
//! assert_eq!(error.kind(), io::ErrorKind::Other);
//! let cancelled = error.get_ref().and_then(|inner| inner.downcast_ref::<Cancelled>());
//! assert_eq!(cancelled, Some(&Cancelled::new("closing")));
//! # });
//! # fn futures_pipe() -> (impl io::AsyncRead + Unpin, ()) { (io::empty(), ()) }
//! ```

mod beside;
mod ext;
mod reader;
mod sink;
mod writer;

pub use ext::{CancelableReadExt, CancelableSinkExt, CancelableWriteExt};
pub use reader::CancelableReader;
pub use sink::CancelableSink;
pub use writer::CancelableWriter;

/// Defines the methods that the wrappers share. `$example` is an expression that creates a wrapper, for the documentation.
macro_rules! wrapper_methods {
    ($wrapper:ident, $inner:literal, $example:literal) => {
        impl<T, S> $wrapper<T, S> {
            /// Limits how long a call may wait. If a call waits for longer than `limit`, it returns an error with the reason
            /// [`Reason::Timeout`](crate::Reason::Timeout).
            ///
            /// The clock starts when a call becomes pending, and stops when a call returns. So the time that the caller
            /// takes between two calls does not count.
            ///
            #[doc = concat!("After that, the ", $inner, " stays cancelled, as if its source had fired.")]
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # use futures::SinkExt;
            #[doc = concat!("let limited = ", $example, ".idle_timeout(std::time::Duration::from_secs(60));")]
            /// assert!(limited.cancelled().is_none());
            /// ```
            #[cfg(feature = "time")]
            pub fn idle_timeout(mut self, limit: std::time::Duration) -> Self {
                self.beside.limit_waits(limit);
                self
            }

            /// Returns the cancellation, or `None` if no call has returned it yet.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # use futures::SinkExt;
            #[doc = concat!("let wrapper = ", $example, ";")]
            /// assert_eq!(wrapper.cancelled(), None);
            /// ```
            pub fn cancelled(&self) -> Option<&crate::error::Cancelled> {
                self.beside.cancelled()
            }

            #[doc = concat!("Returns a reference to the inner ", $inner, ".")]
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # use futures::SinkExt;
            #[doc = concat!("let wrapper = ", $example, ";")]
            /// let inner = wrapper.get_ref();
            /// assert!(size_of_val(inner) <= size_of_val(&wrapper));
            /// ```
            pub fn get_ref(&self) -> &T {
                &self.inner
            }

            #[doc = concat!("Returns a mutable reference to the inner ", $inner, ". Calls through it are not cancelled.")]
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # use futures::SinkExt;
            #[doc = concat!("let mut wrapper = ", $example, ";")]
            /// let inner = wrapper.get_mut();
            /// assert!(size_of_val(inner) <= size_of_val(&wrapper));
            /// ```
            pub fn get_mut(&mut self) -> &mut T {
                &mut self.inner
            }

            #[doc = concat!("Returns the inner ", $inner, ", and drops the source.")]
            ///
            /// A cancellation neither drops nor closes the inner object. So you can still use it, for example to tell the
            /// other side that you are closing.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # use futures::SinkExt;
            /// let token = CancellationToken::new();
            #[doc = concat!("let wrapper = ", $example, ";")]
            /// let inner = wrapper.into_inner();
            /// token.cancel(); // This does not cancel `inner`.
            /// # drop(inner);
            /// assert!(token.is_cancelled());
            /// ```
            pub fn into_inner(self) -> T {
                self.inner
            }
        }

        impl<T, S> std::fmt::Debug for $wrapper<T, S> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($wrapper))
                    .field("inner", &format_args!("{}", std::any::type_name::<T>()))
                    .field("source", &format_args!("{}", std::any::type_name::<S>()))
                    .field("cancelled", &self.cancelled())
                    .finish()
            }
        }
    };
}
use wrapper_methods;
