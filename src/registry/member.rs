//! `Member`: an operation in a registry.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::Event;
use super::shared::Shared;
use super::{Entry, Record};
use crate::operation::Watcher;
use crate::operation::{OperationId, Snapshot};
use crate::panic::contain;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::{Operation, Progress, Reason, clock};

/// Why operations are cancelled that come, or have not ended, when their registry shuts down.
pub(super) const SHUTTING_DOWN: &str = "shutting down";

pub(super) struct Member {
    pub(super) operation: Operation,
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// Which call of a registry cancelled it: this one, or one above it. 0 is none.
    cancelled_in: AtomicU64,
}

/// What has been told of it. The lock is held while it is put into the queues of those who listen, so
/// that they hear of one operation in order, and nothing after its end. They are woken afterwards.
#[derive(Default)]
struct State {
    /// When it was asked to stop.
    requested: Option<Instant>,
    announced: bool,
    /// When it left, and how long it took from the request to that.
    left: Option<(Instant, Option<Duration>)>,
}

impl Member {
    /// Enters an operation into a registry, or cancels it where that takes nobody any more.
    pub(super) fn enter(shared: &Arc<Shared>, operation: &Operation) {
        if operation.status().is_final() {
            return;
        }
        let member = Arc::new(Member {
            operation: operation.clone(),
            shared: shared.clone(),
            state: Mutex::default(),
            cancelled_in: AtomicU64::new(0),
        });
        // Before it can be found: whoever cancels it in there counts it by what this notes. It is
        // never taken back, so that it runs in the very call that cancels, on that thread.
        let weak = Arc::downgrade(&member);
        operation.on_request(move |reason| {
            if let Some(member) = weak.upgrade() {
                member.requested(reason);
            }
        });
        match shared.members.enter(operation.id(), &member) {
            Entry::Entered => {
                member.announce();
                operation.watch(member);
            }
            Entry::Known => {}
            Entry::Closed => shared.refuse(operation),
        }
    }

    fn announce(&self) {
        if !self.shared.feeds.is_listened_to() {
            self.state.lock().announced = true;
            return;
        }
        let snapshot = self.operation.snapshot();
        let mut told = self.shared.feeds.batch();
        let mut state = self.state.lock();
        told.push(Event::Registered(snapshot));
        state.announced = true;
        // Whoever has asked by now has left the word of it to this. It may have been after the snapshot
        // was made.
        let asked = state.requested.and_then(|_| self.operation.reason());
        if let Some(reason) = asked {
            told.push(self.cancelling(reason));
        }
        drop(state);
        told.wake();
    }

    fn cancelling(&self, reason: Reason) -> Event {
        Event::Cancelling { id: self.operation.id(), name: self.operation.name(), reason }
    }

    /// It is asked to stop, just now.
    fn requested(&self, reason: &Reason) {
        if !self.operation.is_cancelled() {
            // By its token, after its end: that asks nobody any more.
            return;
        }
        let now = clock::now();
        let event = self.shared.feeds.is_listened_to().then(|| self.cancelling(reason.clone()));
        let mut told = self.shared.feeds.batch();
        let mut state = self.state.lock();
        if state.left.is_some() && !self.operation.has_ended() {
            // Its run was dropped before its first poll, and has left without a word of this.
            return;
        }
        let (registry, call) = CALL.get();
        if registry == Arc::as_ptr(&self.shared).addr() {
            self.cancelled_in.store(call, Ordering::Relaxed);
        }
        if state.left.is_some() || state.requested.is_some() {
            return;
        }
        state.requested = Some(now);
        if let Some(event) = event.filter(|_| state.announced) {
            told.push(event);
        }
        drop(state);
        told.wake();
    }

    /// When it was asked to stop, if it was.
    pub(super) fn requested_at(&self) -> Option<Instant> {
        self.state.lock().requested
    }

    /// Whether it has not ended, and its run is there.
    pub(super) fn is_live(&self) -> bool {
        self.state.lock().left.is_none()
    }

    /// What is known about it, unless it has ended.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let snapshot = self.operation.snapshot();
        (!snapshot.status.is_final() && self.is_live()).then_some(snapshot)
    }

    /// How it ended, if it has left.
    #[cfg(feature = "time")]
    pub(super) fn record(&self) -> Option<Record> {
        let (ended_at, stopping) = self.state.lock().left?;
        Some(Record { snapshot: self.operation.snapshot(), ended_at, stopping })
    }
}

impl Watcher for Member {
    fn started(&self) {
        if self.shared.feeds.is_listened_to() {
            let event = Event::Started { id: self.operation.id(), name: self.operation.name() };
            self.shared.feeds.tell(event);
        }
    }

    fn reported(&self, progress: &Progress) {
        if !self.shared.feeds.is_listened_to() {
            return;
        }
        let event = Event::Progress {
            id: self.operation.id(),
            name: self.operation.name(),
            progress: progress.clone(),
        };
        let mut told = self.shared.feeds.batch();
        let state = self.state.lock();
        if state.left.is_none() {
            told.push(event);
        }
        drop(state);
        told.wake();
    }

    fn left(&self) {
        let mut snapshot = self.operation.snapshot();
        let mut told = self.shared.feeds.batch();
        let cancelling = snapshot.reason.clone().filter(|_| told.is_heard());
        let cancelling = cancelling.map(|reason| self.cancelling(reason));
        let mut state = self.state.lock();
        if state.left.is_some() {
            return;
        }
        let mut past = self.shared.past.lock();
        // With the lock held: the records are in the order of these moments, and whoever looks at them
        // finds all of those before.
        let now = clock::now();
        let mut late = None;
        // Whoever asked has set the reason, and may not have come to note it.
        if !snapshot.status.is_final() {
            // Then they were too late: it counts as cancelled by nobody. Those who have noted it were in
            // time, also where the snapshot was made before.
            snapshot.reason = state.requested.and_then(|_| self.operation.reason());
        } else if state.requested.is_none() && snapshot.reason.is_some() {
            state.requested = Some(now);
            late = cancelling;
        }
        let stopping = state
            .requested
            // A run that is dropped was not asked.
            .filter(|_| snapshot.status.is_final() && snapshot.reason != Some(Reason::Dropped))
            .map(|requested| now.saturating_duration_since(requested));
        state.left = Some((now, stopping));
        let record = Arc::new(Record { snapshot, ended_at: now, stopping });
        let replaced = past.note(&record);
        drop(past);
        if let Some(event) = late {
            told.push(event);
        }
        if told.is_heard() {
            told.push(Event::Ended(Record::clone(&record)));
        }
        drop(state);
        told.wake();
        // What they hold is code of others: its panic must not keep this one in.
        let _ = contain(|| drop((record, replaced)));
        // Last: whoever waits for it to have left finds all of the above.
        self.shared.members.leave(self.operation.id());
    }
}

thread_local! {
    /// The registry, by its address, and the number of the call that cancels on this thread.
    static CALL: Cell<(usize, u64)> = const { Cell::new((0, 0)) };
}

/// While it lives, whatever is cancelled on this thread is cancelled by that call.
struct InCall {
    outer: (usize, u64),
}

impl InCall {
    fn enter(shared: &Arc<Shared>, call: u64) -> Self {
        InCall { outer: CALL.replace((Arc::as_ptr(shared).addr(), call)) }
    }
}

impl Drop for InCall {
    fn drop(&mut self) {
        CALL.set(self.outer);
    }
}

/// Cancels that member. Tells whether this call did it.
pub(super) fn cancel_one(shared: &Arc<Shared>, member: &Member, reason: Reason) -> bool {
    let call = shared.next_call();
    let _inside = InCall::enter(shared, call);
    // With a number of its own, it is not counted by a call that goes on further up on this stack.
    member.operation.cancel_with(reason) && member.cancelled_in.load(Ordering::Relaxed) == call
}

/// Cancels those members. Tells how many of them this call cancelled.
///
/// One below another of them is cancelled with that, for the reason that it would have anyway: where
/// the parent is to stop, its code is not to hear of the end of its parts first. It counts as
/// well.
pub(super) fn cancel_each(shared: &Arc<Shared>, members: &[Arc<Member>], reason: &Reason) -> usize {
    let call = shared.next_call();
    let _inside = InCall::enter(shared, call);
    let parents: Vec<Option<OperationId>> =
        members.iter().map(|member| member.operation.parent_id()).collect();
    let mut later = Vec::new();
    let has_parents = parents.iter().any(Option::is_some);
    let ids: HashSet<OperationId> = if has_parents {
        members.iter().map(|member| member.operation.id()).collect()
    } else {
        HashSet::new()
    };
    for (index, member) in members.iter().enumerate() {
        if parents[index].is_some_and(|parent| ids.contains(&parent)) {
            later.push(index);
        } else {
            member.operation.cancel_with(reason.clone());
        }
    }
    // By now most of these are cancelled. Those that a shield keeps apart are not.
    for index in later {
        members[index].operation.cancel_with(reason.clone());
    }
    // Each has noted it by now, on this thread.
    let counted = members.iter().filter(|member| {
        member.cancelled_in.load(Ordering::Relaxed) == call
            // It may have been another that was cancelled by what this one called.
            && member.operation.reason().is_some_and(|found| found.root() == reason.root())
    });
    counted.count()
}
