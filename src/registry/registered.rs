//! `registered`, `registered_in` and `daemon_in`: the builder methods that add an operation to a registry.

use std::fmt::Display;

use futures::Stream;

use super::Registry;
use super::member::Member;
use crate::error::Cancelled;
use crate::future::{Cancelable, Ending, TryCancelable};
use crate::stream::{Batching, CancelableStream};

/// Generates the three methods. The argument for each method is its example, after any documentation that applies only to
/// the type with the `impl` block.
macro_rules! registration_methods {
    (
        $(#[$registered:meta])* registered,
        $(#[$registered_in:meta])* registered_in,
        $(#[$daemon_in:meta])* daemon_in,
    ) => {
        /// Registers the operation in the [global](Registry::global) registry. See
        /// [`registered_in`](Self::registered_in).
        ///
        $(#[$registered])*
        pub fn registered(self) -> Self {
            self.registered_in(Registry::global())
        }

        /// Registers the operation at once. Until its first poll it is listed as
        /// [`Pending`](crate::Status::Pending).
        ///
        /// The operation leaves the registry when it has ended and its clean-up and hooks have run. It also leaves when
        /// it is dropped, even before its first poll. An operation may be in several registries. Registering it twice in
        /// one registry has no further effect.
        ///
        /// If the registry is [closed](Registry::close), the operation is cancelled for the reason `"shutting down"`, and
        /// its first poll returns the cancellation as an error. An operation inside or below one that is in the registry is
        /// still accepted.
        ///
        $(#[$registered_in])*
        pub fn registered_in(self, registry: &Registry) -> Self {
            self.show(|operation| Member::register(&registry.shared, operation, false))
        }

        /// Registers the operation at once, as a daemon. A daemon is work that other operations rely on until they have
        /// ended, such as a log writer or a task that keeps a cache fresh.
        ///
        /// A [shutdown](Registry::shutdown) does not wait for daemons to finish. It cancels them last: once all operations
        /// that are not daemons have left, or when the grace of the shutdown is over. In all other respects, a daemon is a
        /// registered operation like any other. If an operation is registered twice in one registry, the first registration
        /// decides whether it is a daemon.
        ///
        $(#[$daemon_in])*
        pub fn daemon_in(self, registry: &Registry) -> Self {
            self.show(|operation| Member::register(&registry.shared, operation, true))
        }
    };
}

impl<F: Future, S, E: Ending<F::Output>> Cancelable<F, S, E> {
    registration_methods! {
        /// ```
        /// use cancelable::prelude::*;
        ///
        /// let future = async {}.cancelable(never()).named("fetch").registered();
        /// assert!(Registry::global().get(future.operation().id()).is_some());
        /// ```
        registered,

        /// ```
        /// use cancelable::prelude::*;
        ///
        /// # smol::block_on(async {
        /// let registry = Registry::new();
        /// let operation = async { 7 }.cancelable(never()).named("fetch").registered_in(&registry);
        /// assert_eq!(registry.list()[0].name.as_deref(), Some("fetch"));
        /// assert_eq!(operation.await, Ok(7));
        /// assert!(registry.is_empty());
        /// # });
        /// ```
        registered_in,

        /// ```
        /// use cancelable::prelude::*;
        /// use std::time::Duration;
        ///
        /// # smol::block_on(async {
        /// let registry = Registry::new();
        /// let writer = std::future::pending::<()>().cancelable(never()).named("log writer");
        /// let writer = smol::spawn(writer.daemon_in(&registry));
        /// let request = smol::future::yield_now().cancelable(never()).named("request");
        /// let request = smol::spawn(request.registered_in(&registry));
        ///
        /// let report = registry.shutdown(Duration::from_secs(30)).await;
        /// assert!(report.is_clean());
        /// let ended = registry.history(Filter::all());
        /// assert_eq!(ended[0].snapshot.name.as_deref(), Some("request"));
        /// assert_eq!(ended[1].snapshot.name.as_deref(), Some("log writer"));
        /// # assert!(writer.await.is_err() && request.await.is_ok());
        /// # });
        /// ```
        daemon_in,
    }
}

impl<F, S, E, T, X> TryCancelable<F, S, E>
where
    F: Future<Output = Result<T, X>>,
    E: Ending<Result<T, X>>,
    X: From<Cancelled> + Display,
{
    registration_methods! {
        /// ```
        /// use cancelable::prelude::*;
        ///
        /// let future = async { std::io::Result::Ok(7) }.try_cancelable(never()).registered();
        /// assert!(Registry::global().get(future.operation().id()).is_some());
        /// ```
        registered,

        /// ```
        /// use cancelable::prelude::*;
        /// use std::io;
        ///
        /// # smol::block_on(async {
        /// let registry = Registry::new();
        /// let operation = async { Err::<(), _>(io::Error::other("no disk")) }.try_cancelable(never());
        /// assert!(operation.registered_in(&registry).await.is_err());
        /// assert_eq!(registry.stats().failed, 1);
        /// # });
        /// ```
        registered_in,

        /// ```
        /// use cancelable::prelude::*;
        ///
        /// let registry = Registry::new();
        /// let future = async { std::io::Result::Ok(7) }.try_cancelable(never()).daemon_in(&registry);
        /// assert!(registry.get(future.operation().id()).is_some());
        /// ```
        daemon_in,
    }
}

impl<St: Stream, S, E: Ending<M::End>, M: Batching<St::Item>> CancelableStream<St, S, E, M> {
    registration_methods! {
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::stream;
        ///
        /// let lines = stream::empty::<()>().cancelable_stream(never()).named("lines").registered();
        /// assert!(Registry::global().get(lines.operation().id()).is_some());
        /// ```
        registered,

        /// The whole stream is one operation. A stream is polled only when its consumer asks for an item, so it notices a
        /// shutdown only then.
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        ///
        /// # smol::block_on(async {
        /// let registry = Registry::new();
        /// let mut numbers = stream::iter(0..).cancelable_stream(never()).registered_in(&registry);
        /// assert_eq!(numbers.next().await, Some(Ok(0)));
        /// assert_eq!(registry.stats().running, 1);
        /// let id = numbers.operation().id();
        /// registry.cancel(id, "one is enough");
        /// assert_eq!(numbers.next().await, Some(Err(Cancelled::new("one is enough"))));
        /// assert!(registry.is_empty());
        /// # });
        /// ```
        registered_in,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::stream;
        ///
        /// let registry = Registry::new();
        /// let ticks = stream::pending::<()>().cancelable_stream(never()).daemon_in(&registry);
        /// assert!(registry.get(ticks.operation().id()).is_some());
        /// ```
        daemon_in,
    }
}
