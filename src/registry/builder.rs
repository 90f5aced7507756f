//! The methods by which a run enters a registry.

use std::fmt::Display;

use futures::stream::Stream;

use super::Registry;
use super::member::Member;
use crate::future::{Cancelable, Ending, TryCancelable};
use crate::{CancelableStream, Cancelled, Operation};

/// Enters an operation that has not been polled, or is being polled.
fn enter(operation: &Operation, registry: &Registry) {
    Member::enter(registry.shared(), operation);
}

impl<F: Future, S, E: Ending<F::Output>> Cancelable<F, S, E> {
    /// Enters it into the [global](Registry::global) registry. See
    /// [`registered_in`](Self::registered_in).
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// let run = async {}.cancelable(never()).named("fetch").registered();
    /// assert!(Registry::global().get(run.operation().id()).is_some());
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub fn registered(self) -> Self {
        self.registered_in(Registry::global())
    }

    /// Enters it into a registry, here and now: what waits for its first poll is listed too, as
    /// [`Pending`](crate::Status::Pending).
    ///
    /// It leaves however it ends: once its clean-up and its hooks have run, or when the run is
    /// dropped, also where that was never polled. It may be in several registries. Entering one twice
    /// is entering it once.
    ///
    /// A registry whose intake is [closed](Registry::close) takes nobody. Then the operation is
    /// cancelled for the reason `"shutting down"`, and its first poll returns that.
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let run = async { 7 }.cancelable(never()).named("fetch").registered_in(&registry);
    /// assert_eq!(registry.list()[0].name.as_deref(), Some("fetch"));
    /// assert_eq!(run.await, Ok(7));
    /// assert!(registry.is_empty());
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub fn registered_in(self, registry: &Registry) -> Self {
        self.show(|operation| enter(operation, registry))
    }
}

impl<F, S, E, T, X> TryCancelable<F, S, E>
where
    F: Future<Output = Result<T, X>>,
    E: Ending<Result<T, X>>,
    X: From<Cancelled> + Display,
{
    /// Enters it into the [global](Registry::global) registry. See
    /// [`registered_in`](Self::registered_in).
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// let run = async { std::io::Result::Ok(7) }.try_cancelable(never()).registered();
    /// assert!(Registry::global().get(run.operation().id()).is_some());
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub fn registered(self) -> Self {
        self.registered_in(Registry::global())
    }

    /// Enters it into a registry. See [`registered_in`](Cancelable::registered_in) of work that
    /// cannot fail.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::io;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let run = async { Err::<(), _>(io::Error::other("no disk")) }.try_cancelable(never());
    /// assert!(run.registered_in(&registry).await.is_err());
    /// assert_eq!(registry.stats().failed, 1);
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub fn registered_in(self, registry: &Registry) -> Self {
        self.show(|operation| enter(operation, registry))
    }
}

impl<St: Stream, S, E: Ending<()>, M> CancelableStream<St, S, E, M> {
    /// Enters it into the [global](Registry::global) registry. See
    /// [`registered_in`](Self::registered_in).
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::stream;
    ///
    /// let lines = stream::empty::<()>().cancelable(never()).named("lines").registered();
    /// assert!(Registry::global().get(lines.operation().id()).is_some());
    /// ```
    pub fn registered(self) -> Self {
        self.registered_in(Registry::global())
    }

    /// Enters the whole stream into a registry, here and now. See
    /// [`registered_in`](crate::Cancelable::registered_in) of a future.
    ///
    /// It leaves when it has ended, or is dropped. Between two items nobody polls it: what a
    /// shutdown asks of it, it does when the next item is asked for.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let mut numbers = stream::iter(0..).cancelable(never()).registered_in(&registry);
    /// assert_eq!(numbers.next().await, Some(Ok(0)));
    /// assert_eq!(registry.stats().running, 1);
    /// let id = numbers.operation().id();
    /// registry.cancel(id, "one is enough");
    /// assert_eq!(numbers.next().await, Some(Err(Cancelled::new("one is enough"))));
    /// assert!(registry.is_empty());
    /// # });
    /// ```
    pub fn registered_in(self, registry: &Registry) -> Self {
        self.show(|operation| enter(operation, registry))
    }
}
