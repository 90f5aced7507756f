//! `Bus`: the handle through which a process takes part in the bus.

mod builder;
mod driver;
mod lease;
mod requests;
mod run;
mod shared;
mod watch;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cancelable::{CancelableExt, CancellationToken, Operation, Reason, Text, never, timeout};

use crate::engine::{Engine, ProcessStatus};
use crate::error::Error;
use crate::id::ProcessId;
use crate::name::Scope;
use crate::ticket::Ticket;
use crate::time::StoreTime;
pub use builder::BusBuilder;
pub use driver::Driver;
use lease::Lease;
pub use lease::WaitForLease;
pub use run::Run;
use shared::Shared;

#[derive(Clone, Copy, Debug)]
struct Settings {
    poll_every: Duration,
    call_limit: Duration,
    lease: Duration,
    retention: Duration,
}

/// A handle to the bus of this process. Clones are handles to the same bus.
///
/// Its [`Driver`] does the work, and must be polled.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable_bus::{Bus, Delivery, Key, Memory};
/// use std::time::Duration;
///
/// # cancelable::testing::run(async {
/// let store = Memory::new();
/// let (worker, worker_driver) = Bus::builder(store.connection()).build()?;
/// let (requester, requester_driver) = Bus::builder(store.connection()).build()?;
///
/// let script = async {
///     let report = std::future::pending::<()>().cancelable(never());
///     let key = Key::new("customer 7")?;
///     worker.register(&report.operation(), key.clone()).begun().await;
///
///     let request = requester.cancel_key(key, "not needed").await?;
///     let deliveries = requester.deliveries(request, Duration::from_secs(5)).await?;
///     assert_eq!(deliveries[0].1, Delivery::Delivered { first: true });
///     assert_eq!(report.await.unwrap_err().to_string(), "cancelled: not needed");
///
///     worker.close().await;
///     requester.close().await;
///     Ok::<(), cancelable_bus::Error>(())
/// };
/// futures::join!(script, worker_driver, requester_driver).0
/// # }).unwrap();
/// ```
pub struct Bus<E: Engine> {
    shared: Arc<Shared<E>>,
}

impl<E: Engine> Clone for Bus<E> {
    fn clone(&self) -> Self {
        Bus { shared: self.shared.clone() }
    }
}

impl<E: Engine> Bus<E> {
    /// Starts to build a bus on a store.
    pub fn builder(engine: E) -> BusBuilder<E> {
        BusBuilder::new(engine)
    }

    /// Returns the identifier of this process. Each bus that is built gets a fresh identifier.
    pub fn process(&self) -> ProcessId {
        self.shared.process.id
    }

    /// Returns the scope.
    pub fn scope(&self) -> &Scope {
        &self.shared.process.scope
    }

    /// Returns the engine. Use it for features that only this store has.
    pub fn engine(&self) -> &E {
        &self.shared.engine
    }

    /// Registers an operation. Until it ends, other processes can cancel it by the identifier of its run or by its key.
    ///
    /// Call this before the first poll of the operation, then await [`begun`](Run::begun). This call does not wait: the
    /// driver writes the row of the run into the store. During an outage, the work continues, and the driver writes the row
    /// later.
    ///
    /// Pass a [`Ticket`], or a [`Key`](crate::Key) for a run with a fresh identifier. This method does not enforce the
    /// deadline of the ticket: for that, add [`deadline`](Self::deadline) to the sources of the operation.
    ///
    /// If another process has begun a run with the same identifier, or if such a run is live on this bus, the operation is
    /// cancelled. If a run ends before its row was written, it gets no row.
    pub fn register(&self, operation: &Operation, ticket: impl Into<Ticket>) -> Run {
        let ticket = ticket.into();
        let (id, shared) = (ticket.run(), &self.shared);
        let begun = match shared.add(id, operation.clone(), ticket.key().cloned()) {
            Some(begun) => {
                run::watch_end(shared, id, operation);
                begun
            }
            None => {
                let reason = "a run with the same identifier is live in this process";
                operation.cancel_with(reason);
                let refused = CancellationToken::new();
                refused.cancel_with(reason);
                refused
            }
        };
        Run { id, begun, limit: shared.settings.call_limit }
    }

    /// Creates a source that fires when the store has not answered for `length`: no poll that was sent within that time has
    /// been answered.
    ///
    /// Without this source, work continues during an outage. Use the source for work that must not run while no request can
    /// reach it. If `length` is shorter than the [lease](BusBuilder::lease) of the process, the operation is cancelled
    /// before requesters learn that the run is [`Unknown`](crate::Delivery::Unknown).
    ///
    /// The time starts when the last answered poll was sent. Before the first answer, it starts when the bus was
    /// built.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable_bus::{Bus, Memory};
    /// use std::time::Duration;
    ///
    /// # cancelable::testing::run(async {
    /// // The driver is never polled, so the store is never heard.
    /// let (bus, _driver) = Bus::builder(Memory::new()).build()?;
    /// let work = std::future::pending::<()>().cancelable(bus.lease(Duration::from_secs(10)));
    /// assert!(work.await.unwrap_err().is_timeout());
    /// # Ok::<(), cancelable_bus::Invalid>(())
    /// # }).unwrap();
    /// ```
    pub fn lease(&self, length: Duration) -> WaitForLease {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        let mut leases = state.leases.iter().filter_map(Weak::upgrade);
        let shared = leases.find(|lease| lease.length() == length && !lease.left().is_zero());
        drop(leases);
        let lease = shared.unwrap_or_else(|| {
            let since = now.saturating_sub(state.link.heard.unwrap_or_default());
            let lease = Arc::new(Lease::start(length, since));
            state.leases.push(Arc::downgrade(&lease));
            lease
        });
        WaitForLease::new(lease)
    }

    /// Returns the time of the store, estimated from the last poll that was answered. The estimate is early by at most the
    /// time that the poll took. Returns `None` before the first answer.
    ///
    /// Use it for the [deadline](Ticket::until) of a ticket.
    pub fn now(&self) -> Option<StoreTime> {
        self.shared.store_now()
    }

    /// Creates a source that fires at the deadline of a ticket. If the ticket has no deadline, the source never fires.
    ///
    /// Before the first answer of the store, its time is not known, and the source does not fire.
    ///
    /// # Examples
    ///
    /// The work is cancelled when the time of its creator is over, however long the ticket waited in a queue:
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable_bus::{Bus, Memory, Ticket};
    /// use std::time::Duration;
    ///
    /// # let time = cancelable::testing::pause();
    /// # time.block_on(async {
    /// let (bus, driver) = Bus::builder(Memory::new()).build()?;
    /// let work = async {
    ///     let first = async {}.cancelable(never());
    ///     bus.register(&first.operation(), Ticket::new()).begun().await;
    ///     let now = bus.now().expect("the store has been heard");
    ///     let ticket = Ticket::new().until(now + Duration::from_secs(30));
    ///
    ///     timeout(Duration::from_secs(20)).await; // The ticket waits in a queue.
    ///     let work = std::future::pending::<()>().cancelable(bus.deadline(&ticket));
    ///     let operation = work.operation();
    ///     assert!(work.await.unwrap_err().is_timeout());
    ///     assert_eq!(operation.elapsed(), Duration::from_secs(10));
    ///     bus.close().await;
    /// };
    /// futures::join!(work, driver);
    /// # Ok::<(), cancelable_bus::Invalid>(())
    /// # }).unwrap();
    /// ```
    pub fn deadline(&self, ticket: &Ticket) -> impl Future<Output = Reason> + Send + use<E> {
        let (bus, deadline) = (self.clone(), ticket.deadline());
        async move {
            let Some(deadline) = deadline else { return never().await };
            loop {
                let news = bus.shared.news.next();
                if let Some(now) = bus.now() {
                    return timeout(deadline.since(now)).named("deadline of the ticket").await;
                }
                news.cancelled().await;
            }
        }
    }

    /// Returns the state of the connection to the store.
    ///
    /// ```
    /// use cancelable_bus::{Bus, Memory};
    /// let (bus, driver) = Bus::builder(Memory::new()).build()?;
    /// assert!(!bus.health().connected);
    /// # drop(driver);
    /// # Ok::<(), cancelable_bus::Invalid>(())
    /// ```
    pub fn health(&self) -> Health {
        let now = self.shared.clock.now();
        let state = self.shared.lock();
        let link = &state.link;
        Health {
            connected: link.is_connected,
            unheard_for: now.saturating_sub(link.heard.unwrap_or_default()),
            failures: link.failures,
            error: link.error.as_ref().map(|error| error.to_string().into()),
            runs: state.runs.len(),
        }
    }

    /// Returns the processes of the scope, ordered by host. A process that has left or crashed stays in the list until the
    /// retention time is over.
    ///
    /// Use this method for a page or a tool that shows the fleet. The call may be slow, because the store may have to count
    /// all live runs.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached, fails, or takes longer than the [call limit](BusBuilder::call_limit).
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable_bus::{Bus, Memory};
    ///
    /// # cancelable::testing::run(async {
    /// let (bus, driver) = Bus::builder(Memory::new()).host("worker-7").build()?;
    /// let asked = async {
    ///     let processes = bus.processes().await?;
    ///     assert_eq!((processes[0].host.as_str(), processes[0].runs), ("worker-7", 0));
    ///     bus.close().await;
    ///     Ok::<(), cancelable_bus::Error>(())
    /// };
    /// futures::join!(asked, driver).0
    /// # }).unwrap();
    /// ```
    pub async fn processes(&self) -> Result<Vec<ProcessStatus>, Error> {
        self.shared.connected().await?;
        let mut all = self.shared.call(self.shared.engine.processes(self.scope())).await?;
        all.sort_by(|a, b| (&a.host, a.process).cmp(&(&b.host, b.process)));
        Ok(all)
    }

    /// Closes the bus: the driver writes the rows that are left, ends the lease and resolves. Returns once the driver has
    /// done so, and after three call limits at the latest.
    ///
    /// Call this once the runs have ended. Runs that have not ended continue, but no request reaches them any more.
    pub async fn close(&self) {
        self.shared.order(|state| state.is_closing = true);
        self.shared.work.notify();
        let limit = self.shared.settings.call_limit.saturating_mul(3);
        let _ = self.shared.stopped.cancelled().cancelable(timeout(limit)).await;
    }
}

/// The state of the connection to the store. Made by [`Bus::health`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether the last call of the driver was answered. If not, work continues, but no request arrives.
    pub connected: bool,
    /// The time since the last answered poll was sent. Before the first answer, the time since the bus was built.
    pub unheard_for: Duration,
    /// The number of attempts that have failed in a row.
    pub failures: u32,
    /// Why the last attempt failed.
    pub error: Option<Text>,
    /// How many runs are registered and have not ended.
    pub runs: usize,
}

impl<E: Engine> fmt::Debug for Bus<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("process", &self.shared.process)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}
