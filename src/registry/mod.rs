//! Lists operations, cancels them, and reports which of them did not stop.
//!
//! A [`Registry`] is the entry point. The other types of this module are the arguments and results of its methods.

// The modules, in the order in which they build on one another:
//
// * `filter`: selects operations.
// * `stats` and `history`: counts, durations, and records of the operations that ended.
// * `events`: what happens in a registry, sent to listeners.
// * `member_map`: the map of the operations, and whether it accepts new ones.
// * `member`: one operation in the map, from its registration to its end.
// * `inspect`: what an operation is doing.
// * `drained`: waits until a closed registry is empty.
// * `shutdown`: stops all operations, waits for them and reports, for a registry or for a whole process.
// * `registered`: the builder methods that register an operation.

mod drained;
mod events;
mod filter;
mod history;
mod inspect;
mod member;
mod member_map;
mod registered;
#[cfg(feature = "time")]
mod shutdown;
mod stats;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

pub use drained::Drained;
pub use events::{Event, Events};
pub use filter::Filter;
pub use history::{HistoryQuery, Record};
pub use inspect::{Inspection, Phase};
#[cfg(all(test, cancelable_loom))]
pub(crate) use member_map::{Admission, Insertion, MemberMap};
#[cfg(feature = "time")]
pub use shutdown::{
    PhaseReport, ServiceEnd, Shutdown, ShutdownPhases, ShutdownPlan, ShutdownReport, ShutdownWhen,
};
pub use stats::{Durations, Stats};

use crate::operation::{Operation, OperationId, Snapshot, Status};
use crate::panic::discard;
use crate::reason::Reason;
use crate::source::WaitForCancellationOwned;
use inspect::{Children, inspect};
use member::{SHUTTING_DOWN, Shared, cancel_each};

/// The number of records that a history keeps by default.
const HISTORY_LIMIT: usize = 1000;

/// A list of active operations, in which you can look them up and cancel them.
///
/// [`registered`](crate::Cancelable::registered) adds an operation. The operation is removed when it ends, however it ends.
/// All methods may be called from any thread, and from hooks. They return copies, which do not change afterwards.
///
/// A `Registry` is a handle. Clones refer to the same registry. Two handles are equal if they refer to the same
/// registry.
///
/// # Implementation
///
/// The operations are in 16 maps, each with its own lock. Adding or removing an operation locks one of the maps briefly.
/// Listing copies the pointers out of one map after another, and looks at the operations with no lock held.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// let fetch = std::future::pending::<()>().cancelable(never()).named("fetch");
/// let task = smol::spawn(fetch.registered_in(&registry));
///
/// let listed = registry.list();
/// assert_eq!(listed[0].name.as_deref(), Some("fetch"));
/// assert!(registry.cancel(listed[0].id, "not needed"));
/// assert_eq!(task.await, Err(Cancelled::new("not needed")));
/// assert!(registry.is_empty());
/// # });
/// ```
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

impl Registry {
    /// Creates a registry with a history of 1,000 records.
    pub fn new() -> Self {
        Registry::with_history_limit(HISTORY_LIMIT)
    }

    /// Creates a registry whose history keeps at most `limit` records. With a limit of 0, the history keeps no records, and
    /// the registry only counts.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let registry = Registry::with_history_limit(0);
    /// async {}.cancelable(never()).registered_in(&registry).await?;
    /// assert!(registry.history(Filter::all()).is_empty());
    /// assert_eq!(registry.stats().completed, 1);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn with_history_limit(limit: usize) -> Self {
        Registry { shared: Arc::new(Shared::new(limit)) }
    }

    /// Returns the registry of the process, to which [`registered`](crate::Cancelable::registered) adds
    /// operations.
    ///
    /// ```
    /// use cancelable::Registry;
    /// assert_eq!(Registry::global(), Registry::global());
    /// ```
    pub fn global() -> &'static Registry {
        static GLOBAL: OnceLock<Registry> = OnceLock::new();
        GLOBAL.get_or_init(Registry::new)
    }

    /// Returns all operations, ordered by id. An operation that has ended is not included, even if its hooks
    /// are still running.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let operation = async {}.cancelable(never()).named("a").registered_in(&registry);
    /// assert_eq!(registry.list()[0].status, Status::Pending);
    /// drop(operation);
    /// assert!(registry.list().is_empty());
    /// ```
    pub fn list(&self) -> Vec<Snapshot> {
        self.find(Filter::all())
    }

    /// Returns the operations that match the filter, ordered by id.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let operation = async {}.cancelable(never()).metadata("user", "ann").registered_in(&registry);
    /// assert_eq!(registry.find(Filter::all().metadata("user", "ann")).len(), 1);
    /// assert_eq!(registry.find(Filter::all().metadata("user", "bob")).len(), 0);
    /// # drop(operation);
    /// ```
    pub fn find(&self, filter: Filter) -> Vec<Snapshot> {
        let members = self.shared.members();
        let snapshots = members.iter().filter_map(|member| member.snapshot());
        snapshots.filter(|snapshot| filter.fits(snapshot)).collect()
    }

    /// Returns a handle of the operation with this id, if that operation is active.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let future = async {}.cancelable(never()).registered_in(&registry);
    /// let operation = registry.get(future.operation().id()).unwrap();
    /// assert_eq!(operation, future.operation());
    /// ```
    pub fn get(&self, id: OperationId) -> Option<Operation> {
        let member = self.shared.members.get(id)?;
        (!member.operation.status().is_final()).then(|| member.operation.clone())
    }

    /// Cancels the operation with this id. Returns `true` if this call cancelled it, and `false` if the operation is
    /// not in the registry or was already cancelled.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let future = async {}.cancelable(never()).registered_in(&registry);
    /// let id = future.operation().id();
    /// assert!(registry.cancel(id, "not needed"));
    /// assert!(!registry.cancel(id, "not needed"));
    /// ```
    pub fn cancel(&self, id: OperationId, reason: impl Into<Reason>) -> bool {
        let Some(member) = self.shared.members.get(id) else { return false };
        let cancelled = member.operation.cancel_with(reason.into());
        // If the operation has ended meanwhile, `member` may be the last owner of the operation's error. The destructor of
        // that error is user code, and may panic.
        discard(member);
        cancelled
    }

    /// Cancels the operations that match the filter. Returns how many of them this call cancelled. An operation that was
    /// already cancelled is not counted.
    ///
    /// If one matching operation is a child of another, only the parent gets `reason`. The child is cancelled with its
    /// parent, for the reason [`Parent`](Reason::Parent), and is counted too.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let first = async {}.cancelable(never()).named("fetch /a").registered_in(&registry);
    /// let second = async {}.cancelable(never()).named("fetch /b").registered_in(&registry);
    /// assert_eq!(registry.cancel_all(Filter::all().name("fetch"), "offline"), 2);
    /// assert_eq!(registry.cancel_all(Filter::all(), "again"), 0);
    /// # drop((first, second));
    /// ```
    pub fn cancel_all(&self, filter: Filter, reason: impl Into<Reason>) -> usize {
        let mut members = self.shared.members();
        members.retain(|member| filter.fits_operation(&member.operation));
        cancel_each(&members, &reason.into())
    }

    /// Returns the number of operations in the registry, including those whose hooks are running.
    pub fn len(&self) -> usize {
        self.shared.members.len()
    }

    /// Returns whether there are no operations in the registry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what each matching operation is doing, ordered by id. Use it to find out why something takes so
    /// long.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Phase;
    /// let registry = Registry::new();
    /// let operation = async {}.cancelable(never()).registered_in(&registry);
    /// assert_eq!(registry.inspect(Filter::all())[0].phase, Phase::Pending);
    /// # drop(operation);
    /// ```
    pub fn inspect(&self, filter: Filter) -> Vec<Inspection> {
        let members = self.shared.members();
        let children = Children::of(members.iter().map(|member| &**member));
        let live = members.iter().filter(|member| member.is_live());
        let inspections = live.map(|member| inspect(member, &children));
        inspections.filter(|inspection| filter.fits(&inspection.snapshot)).collect()
    }

    /// Returns counts: how many operations are active, how many have ended in each way, and how long they took.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let operation = async {}.cancelable(never()).registered_in(&registry);
    /// assert_eq!(registry.stats().pending, 1);
    /// drop(operation);
    /// assert_eq!(registry.stats().never_started, 1);
    /// ```
    pub fn stats(&self) -> Stats {
        let mut stats = self.shared.history.lock().stats();
        for member in self.shared.members().iter().filter(|member| member.is_live()) {
            match member.operation.status() {
                Status::Pending => stats.pending += 1,
                Status::Running => stats.running += 1,
                Status::Cancelling => stats.cancelling += 1,
                Status::Completed | Status::Failed | Status::Cancelled => {}
            }
        }
        stats
    }

    /// Creates a stream of the events that happen in this registry after this call, for dashboards and logs.
    ///
    /// The queue of the stream holds at most `capacity` events. A capacity of 0 is treated as 1. When the queue is full, the
    /// oldest event is dropped, and the stream yields [how many](Event::Missed) were dropped. No operation ever waits for a
    /// listener.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Event;
    /// use futures::StreamExt;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let mut events = registry.events(1);
    /// async {}.cancelable(never()).registered_in(&registry).await?;
    /// assert!(matches!(events.next().await, Some(Event::Missed { count: 2, .. })));
    /// assert!(matches!(events.next().await, Some(Event::Ended(_))));
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn events(&self, capacity: usize) -> Events {
        Events::new(&self.shared.listeners, capacity)
    }

    /// Closes the registry to new operations permanently. Returns whether this call closed it.
    ///
    /// Operations that are registered later are not listed. They are cancelled for the reason `"shutting down"`, and their
    /// first poll returns the cancellation as an error. Operations already in the registry continue. An operation inside or
    /// below a registered one is still accepted, because the registered one may need it in order to finish.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// registry.close();
    /// let late = async { 7 }.cancelable(never()).registered_in(&registry);
    /// assert_eq!(late.await, Err(Cancelled::new("shutting down")));
    /// # });
    /// ```
    pub fn close(&self) -> bool {
        self.shared.close(&SHUTTING_DOWN.into())
    }

    /// Waits until the registry is closed. Use it to stop the intake: when this future resolves, cancel the loop that
    /// accepts requests or takes jobs, and let the operations finish.
    ///
    /// The future resolves to the reason of the shutdown, or to `"shutting down"` after [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only ends the wait.
    ///
    /// # Panics
    ///
    /// Panics if polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let accept = std::future::pending::<()>().cancelable(registry.closing());
    /// registry.close();
    /// assert_eq!(accept.await, Err(Cancelled::new("shutting down")));
    /// # });
    /// ```
    pub fn closing(&self) -> WaitForCancellationOwned {
        self.shared.closing.clone().cancelled_owned()
    }

    /// Returns whether the registry is closed, by [`close`](Self::close) or by a shutdown.
    pub fn is_closed(&self) -> bool {
        self.shared.members.is_closed()
    }

    /// Waits until the registry is [closed](Self::close) and its last operation has ended. This cancels nothing and has no
    /// time limit. To cancel operations, or to limit the wait, use [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only ends the wait.
    ///
    /// # Panics
    ///
    /// Panics if polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let work = std::future::pending::<()>().cancelable(never()).registered_in(&registry);
    /// let task = smol::spawn(work);
    /// registry.close();
    /// registry.cancel_all(Filter::all(), "closing");
    /// registry.drained().await;
    /// assert!(registry.is_empty());
    /// # drop(task);
    /// # });
    /// ```
    pub fn drained(&self) -> Drained {
        Drained::new(self.shared.members.drained())
    }
}

/// No user code runs under a lock, so no panic can leave the state half changed.
impl UnwindSafe for Registry {}

/// Holds for the same reason as `UnwindSafe`.
impl RefUnwindSafe for Registry {}

impl Default for Registry {
    fn default() -> Self {
        Registry::new()
    }
}

impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Registry {}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("operations", &self.len())
            .field("closed", &self.is_closed())
            .finish()
    }
}
