//! The methods of `Bus` that cancel runs in other processes, and wait until the runs have been told.

use std::time::Duration;

use super::Bus;
use super::watch::Watch;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::Error;
use crate::id::{RequestId, RunId};
use crate::name::Key;
use crate::remote_reason::RemoteReason;
use crate::request::Request;

impl<E: Engine> Bus<E> {
    /// Cancels one run, whichever process it is in. Returns the identifier of the request, for [`delivery`](Self::delivery).
    ///
    /// To be able to repeat the call after an error, make a [`Request`] and [send](Self::send) it.
    ///
    /// # Errors
    ///
    /// The same as for [`send`](Self::send).
    pub async fn cancel(
        &self,
        run: RunId,
        reason: impl Into<RemoteReason>,
    ) -> Result<RequestId, Error> {
        let request = Request::run(run, reason);
        self.send(&request).await.map(|()| request.id())
    }

    /// Cancels the runs that are registered under a key now. A run that begins later is not touched.
    ///
    /// # Errors
    ///
    /// The same as for [`send`](Self::send).
    pub async fn cancel_key(
        &self,
        key: Key,
        reason: impl Into<RemoteReason>,
    ) -> Result<RequestId, Error> {
        let request = Request::key(key, reason);
        self.send(&request).await.map(|()| request.id())
    }

    /// Cancels the runs that are registered under a key now, and those that begin later, until `lifetime` is over or
    /// [`unblock_key`](Self::unblock_key) is called.
    ///
    /// # Errors
    ///
    /// The same as for [`send`](Self::send).
    pub async fn block_key(
        &self,
        key: Key,
        lifetime: Duration,
        reason: impl Into<RemoteReason>,
    ) -> Result<RequestId, Error> {
        let request = Request::block(key, lifetime, reason);
        self.send(&request).await.map(|()| request.id())
    }

    /// Ends every block of a key. Returns how many blocks were in force.
    ///
    /// A run that began before this call is still cancelled.
    ///
    /// # Errors
    ///
    /// The same as for [`send`](Self::send). After an error, calling it again is safe.
    pub async fn unblock_key(&self, key: &Key) -> Result<u64, Error> {
        self.shared.connected().await?;
        self.shared.call(self.shared.engine.unblock(self.scope(), key)).await
    }

    /// Sends a request. Returns `Ok` once the store has committed the request. From then on, the request survives a crash of
    /// any process and of the store.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the request may have been sent or not. Send the same request again.
    ///
    /// # Errors
    ///
    /// If the request is [invalid](Request::check), the store cannot be reached, fails, or takes longer than the
    /// [call limit](crate::BusBuilder::call_limit). Send the same request again: it takes effect once.
    pub async fn send(&self, request: &Request) -> Result<(), Error> {
        request.check()?;
        self.shared.connected().await?;
        self.shared.call(self.shared.engine.request(&self.shared.process, request)).await
    }

    /// Waits until the delivery of a request to each of its runs is known, and returns the deliveries. If that takes longer
    /// than `limit`, returns the latest answer of the store. So a limit of zero asks the store once.
    ///
    /// This method waits for runs whose delivery is [`Unconfirmed`](Delivery::Unconfirmed), and for a run that has not
    /// begun. If the request is for a key that no run had, the list is empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    ///
    /// # Errors
    ///
    /// If the store has no such request, if the bus stops, or if the store cannot be reached or asked for the first time
    /// within the [call limit](crate::BusBuilder::call_limit).
    pub async fn deliveries(
        &self,
        request: RequestId,
        limit: Duration,
    ) -> Result<Vec<(RunId, Delivery)>, Error> {
        self.shared.connected().await?;
        let targets = Watch::start(&self.shared, request).targets(request, limit).await?;
        Ok(targets.into_iter().map(|target| (target.run, target.state.into())).collect())
    }

    /// Waits for the delivery of a request for one run, like [`deliveries`](Self::deliveries).
    ///
    /// If the request is for several runs, this method returns the delivery to one of them.
    ///
    /// # Errors
    ///
    /// The same as for [`deliveries`](Self::deliveries).
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable_bus::{Bus, Delivery, Memory, RunId};
    /// use std::time::Duration;
    ///
    /// # cancelable::testing::run(async {
    /// let (bus, driver) = Bus::builder(Memory::new()).build()?;
    /// let ask = async {
    ///     let request = bus.cancel(RunId::new(), "not needed").await?;
    ///     let delivery = bus.delivery(request, Duration::from_secs(1)).await?;
    ///     assert_eq!(delivery, Delivery::Unknown);
    ///     bus.close().await;
    ///     Ok::<(), cancelable_bus::Error>(())
    /// };
    /// futures::join!(ask, driver).0
    /// # }).unwrap();
    /// ```
    pub async fn delivery(&self, request: RequestId, limit: Duration) -> Result<Delivery, Error> {
        let deliveries = self.deliveries(request, limit).await?;
        Ok(deliveries.first().map_or(Delivery::Unknown, |(_, delivery)| *delivery))
    }
}
