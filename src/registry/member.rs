//! `Member`: an operation in a registry, from its registration to its end. `Shared`: the state that the handles and members
//! of a registry share.

use std::collections::HashSet;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::events::{Event, Listeners};
use super::history::{History, Record};
use super::member_map::{Admission, Insertion, MemberMap};
#[cfg(feature = "time")]
use super::shutdown::Force;
use crate::clock;
use crate::operation::{Operation, OperationId, Progress, Roster, Snapshot, WatchedIn, Watcher};
use crate::panic::discard;
use crate::reason::Reason;
use crate::source::{CancelObserver, CancellationToken};
use crate::sync::Mutex;

/// The reason with which operations are cancelled if they are refused, or if they are still running when their registry
/// shuts down.
pub(super) const SHUTTING_DOWN: &str = "shutting down";

pub(super) struct Shared {
    pub(super) members: MemberMap<Member>,
    pub(super) history: Mutex<History>,
    pub(super) listeners: Arc<Listeners>,
    /// Cancelled when the registry is closed.
    pub(super) closing: CancellationToken,
    #[cfg(feature = "time")]
    pub(super) force: Force,
}

impl Shared {
    pub(super) fn new(history_limit: usize) -> Self {
        Shared {
            members: MemberMap::new(),
            history: Mutex::new(History::new(history_limit)),
            listeners: Arc::default(),
            closing: CancellationToken::new(),
            #[cfg(feature = "time")]
            force: Force::default(),
        }
    }

    pub(super) fn members(&self) -> Members {
        Members(self.members.list())
    }

    /// Closes the registry. Returns whether this call closed it.
    pub(super) fn close(&self, reason: &Reason) -> bool {
        let closed = self.members.close();
        if closed {
            self.listeners.send(Event::Closed);
            self.closing.cancel_with(reason.clone());
        }
        closed
    }

    /// Returns the nearest member above an operation. If the operation has no parent, the search begins with the operation
    /// around this call.
    fn member_above(&self, operation: &Operation) -> Option<Arc<Member>> {
        let mut next = operation.parent().0.or_else(Operation::current);
        // A loop, because chains may be long, and a recursion could overflow the stack.
        while let Some(above) = next {
            let member = self.members.get(above.id());
            if member.is_some() {
                return member;
            }
            next = above.parent().0;
        }
        None
    }

    /// Cancels an operation that is registered after the registry was closed.
    fn refuse(&self, operation: &Operation) {
        self.history.lock().count_refused();
        operation.cancel_with(SHUTTING_DOWN);
        if !self.listeners.is_empty() {
            self.listeners.send(Event::Refused { id: operation.id(), name: operation.name_text() });
        }
    }
}

/// Members in the order of their ids.
#[derive(Default)]
pub(super) struct Members(Vec<Arc<Member>>);

impl Deref for Members {
    type Target = Vec<Arc<Member>>;

    fn deref(&self) -> &Vec<Arc<Member>> {
        &self.0
    }
}

impl DerefMut for Members {
    fn deref_mut(&mut self) -> &mut Vec<Arc<Member>> {
        &mut self.0
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        // If all other owners of an operation have dropped it meanwhile, this runs the destructors of its error and its
        // callbacks. A panic there must not reach the caller.
        self.0.drain(..).for_each(discard);
    }
}

pub(super) struct Member {
    pub(super) operation: Operation,
    /// Whether a shutdown cancels the operation last. See [`daemon_in`](crate::Cancelable::daemon_in).
    pub(super) is_daemon: bool,
    shared: Arc<Shared>,
    state: Mutex<MemberState>,
}

/// When a member was cancelled, when it left, and whether its first event has been sent.
///
/// The lock is held while an event is put into the queues of the listeners, so that they receive the events of one operation
/// in order, and none after the end of the operation. The listeners are woken after the lock is released.
#[derive(Default)]
struct MemberState {
    /// When it was cancelled.
    cancelled_at: Option<Instant>,
    /// Whether `Registered` has been sent.
    announced: bool,
    /// When it left, and the time from the cancellation until then.
    left: Option<(Instant, Option<Duration>)>,
}

impl Member {
    /// Registers an operation. If the registry is closed and the operation is not below a member, cancels it instead.
    pub(super) fn register(shared: &Arc<Shared>, operation: &Operation, is_daemon: bool) {
        if Member::admit(shared, operation, is_daemon, Admission::Registered) {
            return;
        }
        // A member of a closed registry may need further operations in order to finish. Operations below a daemon are
        // daemons.
        let is_admitted = shared.member_above(operation).is_some_and(|above| {
            Member::admit(shared, operation, is_daemon || above.is_daemon, Admission::Below)
        });
        if !is_admitted {
            shared.refuse(operation);
        }
    }

    /// Adds an operation to the members, unless it has ended or is already a member. Returns `false` if it is
    /// refused.
    fn admit(
        shared: &Arc<Shared>,
        operation: &Operation,
        is_daemon: bool,
        admission: Admission,
    ) -> bool {
        if operation.has_ended() {
            return true;
        }
        let member = Arc::new(Member {
            operation: operation.clone(),
            is_daemon,
            shared: shared.clone(),
            state: Mutex::default(),
        });
        // The member observes the operation before it can be found, so that every cancellation through the registry is
        // noted. It is notified on the thread that cancels, before `cancel_with` returns.
        let observer = Arc::downgrade(&member);
        operation.observe_cancellation(observer);
        match shared.members.insert(operation.id(), is_daemon, admission, &member) {
            Insertion::Done => {
                member.announce();
                operation.watch(member);
            }
            Insertion::Known => {}
            Insertion::Refused => return false,
        }
        true
    }

    /// Sends `Registered`.
    fn announce(&self) {
        if self.shared.listeners.is_empty() {
            self.state.lock().announced = true;
            return;
        }
        let snapshot = self.operation.snapshot();
        let mut batch = self.shared.listeners.batch();
        let mut state = self.state.lock();
        batch.push(Event::Registered(snapshot));
        state.announced = true;
        // A cancellation before this point has sent no event, because `Registered` must come first. The snapshot may
        // be older than that cancellation. So send the event of the cancellation here.
        let reason = state.cancelled_at.and_then(|_| self.operation.reason());
        if let Some(reason) = reason {
            batch.push(self.cancelling(reason));
        }
    }

    fn cancelling(&self, reason: Reason) -> Event {
        Event::Cancelling { id: self.operation.id(), name: self.operation.name_text(), reason }
    }

    /// Notes that the operation has just been cancelled.
    fn note_cancelled(&self, reason: &Reason) {
        if !self.operation.is_cancelled() {
            // The token was cancelled after the operation had ended, which does not cancel the operation.
            return;
        }
        let now = clock::now();
        let event = (!self.shared.listeners.is_empty()).then(|| self.cancelling(reason.clone()));
        let mut batch = self.shared.listeners.batch();
        let mut state = self.state.lock();
        // If the operation has left, its record and its events are complete.
        if state.left.is_some() || state.cancelled_at.is_some() {
            return;
        }
        state.cancelled_at = Some(now);
        if let Some(event) = event.filter(|_| state.announced) {
            batch.push(event);
        }
    }

    /// Returns when the operation was cancelled.
    pub(super) fn cancelled_at(&self) -> Option<Instant> {
        self.state.lock().cancelled_at
    }

    /// Returns whether the operation has not left the registry.
    pub(super) fn is_live(&self) -> bool {
        self.state.lock().left.is_none()
    }

    /// Returns a snapshot, unless the operation has ended.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let snapshot = self.operation.snapshot();
        (!snapshot.status.is_final() && self.is_live()).then_some(snapshot)
    }

    /// Returns the record of an operation that has left.
    #[cfg(feature = "time")]
    pub(super) fn record(&self) -> Option<Record> {
        let (ended_at, stopping) = self.state.lock().left?;
        Some(Record { snapshot: self.operation.snapshot(), ended_at, stopping })
    }
}

impl CancelObserver for Member {
    fn cancelled(&self, reason: &Reason) {
        self.note_cancelled(reason);
    }
}

impl Watcher for Member {
    fn started(&self) {
        if !self.shared.listeners.is_empty() {
            let event =
                Event::Started { id: self.operation.id(), name: self.operation.name_text() };
            self.shared.listeners.send(event);
        }
    }

    fn reported(&self, progress: &Progress) {
        if self.shared.listeners.is_empty() {
            return;
        }
        let event = Event::Progress {
            id: self.operation.id(),
            name: self.operation.name_text(),
            progress: progress.clone(),
        };
        let mut batch = self.shared.listeners.batch();
        let state = self.state.lock();
        if state.left.is_none() {
            batch.push(event);
        }
    }

    fn left(&self, at: Instant) {
        let end = self.operation.end_summary();
        let mut batch = self.shared.listeners.batch();
        // The snapshot allocates, and may copy user data.
        let is_shown = batch.has_receivers() || self.shared.history.lock().keeps_records();
        let snapshot = is_shown.then(|| self.operation.snapshot());
        let cancelling = end.reason.clone().filter(|_| batch.has_receivers());
        let cancelling = cancelling.map(|reason| self.cancelling(reason));
        let mut state = self.state.lock();
        if state.left.is_some() {
            return;
        }
        let mut unannounced = None;
        if state.cancelled_at.is_none() && end.reason.is_some() {
            // Another thread has cancelled it and set the reason, but has not called `note_cancelled` yet. That call
            // will find that the operation has left, so note the cancellation here.
            state.cancelled_at = Some(at);
            unannounced = cancelling;
        }
        let stopping = state
            .cancelled_at
            // A dropped operation had no time to stop.
            .filter(|_| end.started && end.reason != Some(Reason::Dropped))
            .map(|cancelled_at| at.saturating_duration_since(cancelled_at));
        // Only this function holds both locks, so no other thread can take them in the other order.
        let mut history = self.shared.history.lock();
        history.count(&end, stopping);
        // A record gets the time at which it enters the history. If the clock were read before the lock is taken, a query
        // could get the lock first, and the next query with the time of that one would miss the record.
        let ended_at = if snapshot.is_some() { clock::now() } else { at };
        state.left = Some((ended_at, stopping));
        let record = snapshot.map(|snapshot| Arc::new(Record { snapshot, ended_at, stopping }));
        let evicted = record.as_ref().and_then(|record| history.add(record));
        drop(history);
        if let Some(event) = unannounced {
            batch.push(event);
        }
        if let Some(record) = record.as_deref().filter(|_| batch.has_receivers()) {
            batch.push(Event::Ended(record.clone()));
        }
        drop(state);
        drop(batch);
        // Records hold user errors. If their destructors panic, this member must still leave the registry.
        record.into_iter().chain(evicted).for_each(discard);
        end.reason.into_iter().for_each(discard);
        // Removed last, so that a caller that sees the registry drained finds the record and the events.
        self.shared.members.remove(self.operation.id());
    }

    fn roster(&self) -> WatchedIn {
        let shared = Arc::downgrade(&self.shared);
        WatchedIn { roster: shared, is_daemon: self.is_daemon }
    }
}

impl Roster for Shared {
    fn add_task(self: Arc<Self>, task: &Operation, is_daemon: bool) {
        if !Member::admit(&self, task, is_daemon, Admission::Below) {
            self.refuse(task);
        }
    }
}

/// Cancels the given members. Returns how many of them this call cancelled.
///
/// If a member is a child of another member, only the parent is cancelled directly. The child is cancelled with its parent,
/// for [`Reason::Parent`]. So user code in the parent never sees the child end before the parent is cancelled.
pub(super) fn cancel_each(members: &[Arc<Member>], reason: &Reason) -> usize {
    let reason = unique(reason);
    let ids: HashSet<OperationId> = members.iter().map(|member| member.operation.id()).collect();
    let is_below = |member: &&Arc<Member>| {
        member.operation.parent_id().is_some_and(|parent| ids.contains(&parent))
    };
    let (lower, upper): (Vec<_>, Vec<_>) = members.iter().partition(is_below);
    let (mut cancelled, mut others) = (Vec::new(), Vec::new());
    // Cancelling the upper members also cancels the members below them, except those in a shield. So most calls for lower
    // members find the member already cancelled.
    for member in upper.into_iter().chain(lower) {
        if member.operation.cancel_with(reason.clone()) {
            cancelled.push(member);
        } else {
            others.push((member, member.operation.reason()));
        }
    }
    // Each of the others was cancelled either earlier, or together with one of the members in `cancelled`. Only in the
    // second case does it count. All operations below a cancelled operation share one allocated reason, so the address of
    // the reason distinguishes the two cases.
    others.retain(|(_, reason)| parent_address(reason).is_some());
    let mut causes = HashSet::new();
    if !others.is_empty() {
        let children = cancelled.iter().map(|member| member.operation.token().child_token());
        causes.extend(children.map(|child| parent_address(&child.reason())));
    }
    others.retain(|(_, reason)| causes.contains(&parent_address(reason)));
    cancelled.len() + others.len()
}

/// Returns the address of a reason of the kind `Parent`.
fn parent_address(reason: &Option<Reason>) -> Option<usize> {
    match reason {
        Some(Reason::Parent { reason, .. }) => Some(Arc::as_ptr(reason).addr()),
        _ => None,
    }
}

/// Copies a reason. A `Parent` gets an address of its own, because operations that were cancelled earlier may share the
/// original.
fn unique(reason: &Reason) -> Reason {
    match reason {
        Reason::Parent { reason, .. } => {
            let name = reason.name().map(|name| name.to_owned().into());
            Reason::parent_named(name, reason.reason().clone())
        }
        reason => reason.clone(),
    }
}
