//! Lists operations, stops them, and reports which of them did not stop.
//!
//! A [`Registry`] is the entry point. The other types here are what its methods take and return.

// Files:
//
// * `members`: the map of who is in.
// * `member`: one of them, from its entry to its end.
// * `past` and `stats`: the history, and the numbers.
// * `event`: what happens, told to those who listen.
// * `inspect`: what one of them is doing.
// * `shutdown` and `report`: everyone is to stop, and who does not.
// * `unprotected`: whom a shutdown asks.
// * `drained`: waiting until everyone has left.
// * `plan` and `service`: the same for a process that is asked to end.
// * `serialize`: what is told by value, written down.

mod builder;
mod drained;
mod event;
mod filter;
mod inspect;
mod member;
mod members;
mod past;
#[cfg(feature = "time")]
mod plan;
#[cfg(feature = "time")]
mod report;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(feature = "time")]
mod service;
mod shared;
#[cfg(feature = "time")]
mod shutdown;
mod stats;
#[cfg(feature = "time")]
mod unprotected;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

pub use drained::Drained;
pub use event::{Event, Events};
pub use filter::Filter;
pub use inspect::{Inspection, Phase};
pub(crate) use members::{Entry, Members};
pub use past::{HistoryQuery, Record};
#[cfg(feature = "time")]
pub use plan::ShutdownPlan;
#[cfg(feature = "time")]
pub use report::ShutdownReport;
#[cfg(feature = "time")]
pub use service::{ServiceEnd, ShutdownWhen};
#[cfg(feature = "time")]
pub use shutdown::Shutdown;
pub use stats::Stats;

use crate::operation::{OperationId, Snapshot};
use crate::{Operation, Reason};
use inspect::{Children, inspect};
use member::{cancel_each, cancel_one};
use shared::Shared;

/// How many records the history keeps, if nothing else is asked for.
const HISTORY_LIMIT: usize = 1000;

/// Who is running: a list of operations, from which they can be looked up and stopped.
///
/// Operations enter by [`registered`](crate::Cancelable::registered) and leave however they end. All
/// methods may be called from any thread, and from hooks. What they return is owned: nothing in it
/// changes afterwards.
///
/// This is a handle: clones are of the same registry. Two are equal when they are.
///
/// # Implementation
///
/// The map is split into parts with a lock each. Entering and leaving take one of them, for a moment.
/// Listing notes who is in, part by part, and looks at the operations with no lock held.
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
    /// A registry of its own, with a history of a thousand records.
    ///
    /// ```
    /// assert!(cancelable::Registry::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Registry::with_history_limit(HISTORY_LIMIT)
    }

    /// A registry of its own whose history keeps at most that many records; with 0, none.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Filter;
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

    /// The registry of the process, which [`registered`](crate::Cancelable::registered) enters.
    ///
    /// ```
    /// use cancelable::Registry;
    /// assert_eq!(Registry::global(), Registry::global());
    /// ```
    pub fn global() -> &'static Registry {
        static GLOBAL: OnceLock<Registry> = OnceLock::new();
        GLOBAL.get_or_init(Registry::new)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Everyone who is in, by id. Those that have ended are not, also where their hooks still run.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let run = async {}.cancelable(never()).named("a").registered_in(&registry);
    /// assert_eq!(registry.list()[0].status, Status::Pending);
    /// drop(run);
    /// assert!(registry.list().is_empty());
    /// ```
    pub fn list(&self) -> Vec<Snapshot> {
        self.find(Filter::all())
    }

    /// Those who are in and fit the filter, by id.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Filter;
    /// let registry = Registry::new();
    /// let run = async {}.cancelable(never()).metadata("user", "ann").registered_in(&registry);
    /// assert_eq!(registry.find(Filter::all().metadata("user", "ann")).len(), 1);
    /// assert_eq!(registry.find(Filter::all().metadata("user", "bob")).len(), 0);
    /// # drop(run);
    /// ```
    pub fn find(&self, filter: Filter) -> Vec<Snapshot> {
        let members = self.shared.members.all();
        let snapshots = members.iter().filter_map(|member| member.snapshot());
        snapshots.filter(|snapshot| filter.fits(snapshot)).collect()
    }

    /// The handle of the operation with that id, if it is in.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let run = async {}.cancelable(never()).registered_in(&registry);
    /// let operation = registry.get(run.operation().id()).unwrap();
    /// assert_eq!(operation, run.operation());
    /// ```
    pub fn get(&self, id: OperationId) -> Option<Operation> {
        let member = self.shared.members.get(id)?;
        (!member.operation.status().is_final()).then(|| member.operation.clone())
    }

    /// Cancels the operation with that id. Returns whether this call did it: false where it is not
    /// in, or was cancelled before.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let run = async {}.cancelable(never()).registered_in(&registry);
    /// let id = run.operation().id();
    /// assert!(registry.cancel(id, "not needed"));
    /// assert!(!registry.cancel(id, "not needed"));
    /// ```
    pub fn cancel(&self, id: OperationId, reason: impl Into<Reason>) -> bool {
        match self.shared.members.get(id) {
            Some(member) => cancel_one(&self.shared, &member, reason.into()),
            None => false,
        }
    }

    /// Cancels those who are in and fit the filter. Returns how many of them this call cancelled:
    /// no operation is counted by two calls, and none that was cancelled before.
    ///
    /// Of an operation and those below it, the upper one is cancelled, and the others with it, for
    /// the reason [`Parent`](Reason::Parent). They count where they fit the filter.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Filter;
    /// let registry = Registry::new();
    /// let first = async {}.cancelable(never()).named("fetch /a").registered_in(&registry);
    /// let second = async {}.cancelable(never()).named("fetch /b").registered_in(&registry);
    /// assert_eq!(registry.cancel_all(Filter::all().name("fetch"), "offline"), 2);
    /// assert_eq!(registry.cancel_all(Filter::all(), "again"), 0);
    /// # drop((first, second));
    /// ```
    pub fn cancel_all(&self, filter: Filter, reason: impl Into<Reason>) -> usize {
        let mut members = self.shared.members.all();
        members.retain(|member| filter.fits_operation(&member.operation));
        cancel_each(&self.shared, &members, &reason.into())
    }

    /// How many are in.
    ///
    /// ```
    /// assert_eq!(cancelable::Registry::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.members.len()
    }

    /// Whether nobody is in.
    ///
    /// ```
    /// assert!(cancelable::Registry::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What those who are in and fit the filter are doing, by id: where each stands, and when it was
    /// last polled. For who asks why something takes so long.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::{Filter, Phase};
    /// let registry = Registry::new();
    /// let run = async {}.cancelable(never()).registered_in(&registry);
    /// assert_eq!(registry.inspect(Filter::all())[0].phase, Phase::Pending);
    /// # drop(run);
    /// ```
    pub fn inspect(&self, filter: Filter) -> Vec<Inspection> {
        let members = self.shared.members.all();
        let children = Children::of(members.iter().map(|member| &**member));
        let live = members.iter().filter(|member| member.is_live());
        let inspections = live.map(|member| inspect(member, &children));
        inspections.filter(|inspection| filter.fits(&inspection.snapshot)).collect()
    }

    /// Those that have left and fit the query, the latest last. A [`Filter`] is a query too.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::{Filter, HistoryQuery};
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// for name in ["a", "b", "c"] {
    ///     async {}.cancelable(never()).named(name).registered_in(&registry).await?;
    /// }
    /// let last = registry.history(HistoryQuery::all().last(2));
    /// assert_eq!(last[1].snapshot.name.as_deref(), Some("c"));
    /// assert_eq!(registry.history(Filter::all().name("a")).len(), 1);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn history(&self, query: impl Into<HistoryQuery>) -> Vec<Record> {
        // A predicate of the query is code of others: it runs with no lock held.
        let records = self.shared.past.lock().records();
        query.into().select(records)
    }

    /// How many records the history keeps.
    ///
    /// ```
    /// assert_eq!(cancelable::Registry::new().history_limit(), 1000);
    /// ```
    pub fn history_limit(&self) -> usize {
        self.shared.past.lock().limit()
    }

    /// Lets the history keep at most that many records; with 0, none. The eldest go.
    ///
    /// ```
    /// let registry = cancelable::Registry::new();
    /// registry.set_history_limit(10);
    /// assert_eq!(registry.history_limit(), 10);
    /// ```
    pub fn set_history_limit(&self, limit: usize) {
        let dropped = self.shared.past.lock().set_limit(limit);
        drop(dropped);
    }

    /// Forgets those that have left: the history, and their part in the numbers. Forgets how many were
    /// refused, too.
    ///
    /// ```
    /// let registry = cancelable::Registry::new();
    /// registry.clear_history();
    /// assert_eq!(registry.stats().ended(), 0);
    /// ```
    pub fn clear_history(&self) {
        let dropped = self.shared.past.lock().clear();
        drop(dropped);
    }

    /// Numbers: how many are in, how those that have left ended, and how long it took.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let registry = Registry::new();
    /// let run = async {}.cancelable(never()).registered_in(&registry);
    /// assert_eq!(registry.stats().pending, 1);
    /// drop(run);
    /// assert_eq!(registry.stats().never_started, 1);
    /// ```
    pub fn stats(&self) -> Stats {
        use crate::Status;

        let mut stats = self.shared.past.lock().stats();
        for member in self.shared.members.all().iter().filter(|member| member.is_live()) {
            match member.operation.status() {
                Status::Pending => stats.pending += 1,
                Status::Running => stats.running += 1,
                Status::Cancelling => stats.cancelling += 1,
                Status::Completed | Status::Failed | Status::Cancelled => {}
            }
        }
        stats
    }

    /// What happens from now on, for dashboards and logs. At most `capacity` events wait to be
    /// taken, and one at least. Where more come, the oldest go, and the stream says
    /// [how many](Event::Missed): no operation ever waits for who listens.
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
        Events::new(&self.shared, capacity)
    }

    /// Ends the intake, for good. Operations that come now are not listed: they are cancelled for
    /// the reason `"shutting down"`, and their first poll returns that. Those who are in go on.
    /// Returns whether this call did it.
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
        let first = self.shared.members.close();
        if first {
            self.shared.feeds.tell(Event::Closed);
        }
        first
    }

    /// Whether the intake is closed: by [`close`](Self::close), or by a shutdown.
    ///
    /// ```
    /// assert!(!cancelable::Registry::new().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.members.is_closed()
    }
}

/// A panic while a lock is held is impossible: nothing of anyone else runs under one.
impl UnwindSafe for Registry {}

/// As above.
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
