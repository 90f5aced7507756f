//! The state that the handles of a bus and its driver share.
//!
//! 1. One lock guards the state. No user code runs, no task is woken and no operation is dropped while it is held.
//! 2. The driver sleeps only after it has found, under the lock, that there is nothing to do. Each change that makes
//!    work for the driver notifies it, unless the driver is awake.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cancelable::{CancelableExt, CancellationToken, Operation, Reason, Status, timeout};
use parking_lot::{Mutex, MutexGuard};

use super::Settings;
use super::lease::Lease;
use super::watch::Watches;
use crate::clock::Clock;
use crate::engine::{Engine, NewRun, Pending, Polled, Process, Received, RunEnd};
use crate::error::Error;
use crate::id::RunId;
use crate::name::{Key, LONGEST_NAME};
use crate::signal::Signal;
use crate::time::StoreTime;

#[derive(Debug)]
pub(super) struct Shared<E> {
    pub(super) engine: E,
    pub(super) process: Process,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    state: Mutex<State>,
    /// Notified when the driver has something to do.
    pub(super) work: Signal,
    /// Notified when the connection is made or lost, and after the first poll.
    pub(super) news: Signal,
    /// Cancelled when the driver has ended.
    pub(super) stopped: CancellationToken,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The runs that have not ended.
    pub(super) runs: HashMap<RunId, LiveRun>,
    /// The live runs whose rows the driver has not begun to write. A run that ends while it is here never gets a row. So the
    /// runs that begin and end during an outage leave nothing behind, however long the outage lasts.
    queued: HashSet<RunId>,
    /// The ends that the driver has not written.
    ends: Vec<RunEnd>,
    pub(super) watches: Watches,
    pub(super) link: Link,
    pub(super) leases: Vec<Weak<Lease>>,
    pub(super) is_closing: bool,
    /// Whether the driver looks at this state before it sleeps again.
    is_awake: bool,
}

#[derive(Debug)]
pub(super) struct LiveRun {
    operation: Operation,
    key: Option<Key>,
    /// Cancelled once the run has begun: when it has a row, and the requests that came before have been delivered.
    begun: Option<CancellationToken>,
}

/// The state of the connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) is_connected: bool,
    /// When the last answered poll was sent.
    pub(super) heard: Option<Duration>,
    /// The store's time of that poll.
    store: Option<StoreTime>,
    /// The number of attempts that have failed in a row.
    pub(super) failures: u32,
    pub(super) error: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl<E: Engine> Shared<E> {
    pub(super) fn new(engine: E, process: Process, settings: Settings) -> Self {
        Shared {
            engine,
            process,
            settings,
            clock: Clock::start(),
            state: Mutex::new(State { is_awake: true, ..State::default() }),
            work: Signal::default(),
            news: Signal::default(),
            stopped: CancellationToken::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Changes the state so that there is work for the driver, and wakes the driver if it sleeps.
    pub(super) fn order<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let was_awake = std::mem::replace(&mut state.is_awake, true);
        drop(state);
        if !was_awake {
            self.work.notify();
        }
        result
    }

    /// Adds a run. Returns the token that is cancelled once the run has begun, or `None` if there already is a live run with
    /// that identifier.
    pub(super) fn add(
        &self,
        run: RunId,
        operation: Operation,
        key: Option<Key>,
    ) -> Option<CancellationToken> {
        let begun = CancellationToken::new();
        let live = LiveRun { operation, key, begun: Some(begun.clone()) };
        self.order(|state| {
            if state.runs.contains_key(&run) {
                return None;
            }
            state.runs.insert(run, live);
            state.queued.insert(run);
            Some(begun)
        })
    }

    /// Removes a run whose operation has ended.
    pub(super) fn end(&self, run: RunId, status: Status) {
        let ended = self.order(|state| {
            let live = state.runs.remove(&run);
            if live.is_some() && !state.queued.remove(&run) {
                state.ends.push(RunEnd::new(run, status));
            }
            live
        });
        if let Some(begun) = ended.and_then(|live| live.begun) {
            begun.cancel_with("the operation has ended");
        }
    }

    /// Takes at most `at_most` runs whose rows are to be written.
    pub(super) fn take_queued(&self, at_most: usize) -> Vec<NewRun> {
        let mut state = self.lock();
        let runs: Vec<RunId> = state.queued.iter().copied().take(at_most).collect();
        let mut rows = Vec::with_capacity(runs.len());
        let mut operations = Vec::with_capacity(runs.len());
        for run in runs {
            state.queued.remove(&run);
            if let Some(live) = state.runs.get(&run) {
                rows.push(NewRun::new(run, live.key.clone(), ""));
                operations.push(live.operation.clone());
            }
        }
        drop(state);
        for (row, operation) in rows.iter_mut().zip(operations) {
            row.name = shortened(operation.name().unwrap_or_default()).into();
        }
        rows
    }

    /// Queues every live run, because the store has lost its rows.
    pub(super) fn queue_all(&self) {
        let state = &mut *self.lock();
        state.queued.extend(state.runs.keys());
    }

    /// Takes the ends that have not been written.
    pub(super) fn take_ends(&self) -> Vec<RunEnd> {
        std::mem::take(&mut self.lock().ends)
    }

    /// Wakes the tasks that wait until these runs have begun.
    pub(super) fn tell_begun(&self, runs: &[NewRun]) {
        let mut state = self.lock();
        let mut lookup = |run: &NewRun| state.runs.get_mut(&run.id)?.begun.take();
        let begun: Vec<_> = runs.iter().filter_map(&mut lookup).collect();
        drop(state);
        for token in begun {
            token.cancel();
        }
    }

    /// Cancels a run whose identifier belongs to another process, and removes it.
    pub(super) fn refuse(&self, run: RunId) {
        let removed = self.lock().runs.remove(&run);
        let Some(LiveRun { operation, begun, .. }) = removed else { return };
        let reason = "another process has begun a run with the same identifier";
        operation.cancel_with(reason);
        if let Some(begun) = begun {
            begun.cancel_with(reason);
        }
    }

    /// Cancels the operation that a request is for, and returns what came of it.
    pub(super) fn deliver(&self, pending: &Pending) -> Received {
        let operation = self.lock().runs.get(&pending.run).map(|live| live.operation.clone());
        let Some(operation) = operation else { return Received::AlreadyEnded };
        if operation.cancel_with(pending.reason.to_reason()) {
            Received::First
        } else if operation.status().is_final() {
            Received::AlreadyEnded
        } else {
            Received::Later
        }
    }

    /// Notes that a poll, sent at `sent`, was answered.
    pub(super) fn note_heard(&self, sent: Duration, polled: &Polled) {
        let mut state = self.lock();
        let was_connected = state.link.is_connected;
        state.link.is_connected = true;
        state.link.heard = Some(sent);
        state.link.store = Some(polled.now);
        state.leases.retain(|lease| lease.strong_count() > 0);
        let leases: Vec<_> = state.leases.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        let since = self.clock.now().saturating_sub(sent);
        for lease in leases {
            lease.renew(since);
        }
        if !was_connected {
            self.news.notify();
        }
    }

    /// Notes that a whole round of the driver succeeded, and resets the number of failures. A successful poll is not enough:
    /// if polls succeeded and the calls after them always failed, the pauses between attempts would never grow.
    pub(super) fn note_settled(&self) {
        let error = {
            let link = &mut self.lock().link;
            link.failures = 0;
            link.error.take()
        };
        // The destructor of the error is user code, so it runs after the lock is released.
        drop(error);
    }

    /// Notes that the connection was lost. Returns the number of failures in a row.
    pub(super) fn note_lost(&self, error: Error) -> u32 {
        let mut state = self.lock();
        let link = &mut state.link;
        link.is_connected = false;
        link.failures = link.failures.saturating_add(1);
        let failures = link.failures;
        let earlier = link.error.replace(match error {
            Error::Store(error) => error,
            other => Arc::new(other),
        });
        drop(state);
        drop(earlier);
        self.news.notify();
        failures
    }

    /// Returns the time of the store, early by at most the time that the last poll took. `None` before the first poll.
    pub(super) fn store_now(&self) -> Option<StoreTime> {
        let state = self.lock();
        let (heard, store) = (state.link.heard?, state.link.store?);
        drop(state);
        Some(store + self.clock.now().saturating_sub(heard))
    }

    /// Makes a call to the store.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, E::Error>>,
    ) -> Result<T, Error> {
        let limit = self.settings.call_limit;
        match call.cancelable(timeout(limit)).await {
            Ok(answer) => answer.map_err(|error| Error::Store(Arc::new(error))),
            Err(_) => Err(Error::TimedOut { limit }),
        }
    }

    /// Waits until there is a connection, but at most for the time that a call may take.
    pub(super) async fn connected(&self) -> Result<(), Error> {
        let connected = async {
            loop {
                let news = self.news.next();
                if self.stopped.is_cancelled() {
                    return Err(Error::Stopped);
                }
                if self.lock().link.is_connected {
                    return Ok(());
                }
                news.cancelled().await;
            }
        };
        match connected.cancelable(timeout(self.settings.call_limit)).await {
            Ok(result) => result,
            Err(_) => Err(Error::NotConnected { error: self.lock().link.error.clone() }),
        }
    }

    /// Returns whether the driver has something to do. If not, the driver counts as asleep from now on.
    pub(super) fn look_for_work(&self) -> bool {
        let mut state = self.lock();
        let has_work = !state.queued.is_empty()
            || !state.ends.is_empty()
            || state.watches.has_new()
            || state.is_closing;
        state.is_awake = has_work;
        has_work
    }
}

/// Wakes the tasks that wait for the driver when the driver has ended or was dropped.
#[derive(Debug)]
pub(super) struct Stopping<E: Engine>(pub(super) Arc<Shared<E>>);

impl<E: Engine> Drop for Stopping<E> {
    fn drop(&mut self) {
        self.0.lock().link.is_connected = false;
        self.0.stopped.cancel_with(Reason::Dropped);
        self.0.news.notify();
    }
}

/// Cuts a name to the allowed length, and replaces the characters that a store may not hold.
fn shortened(name: &str) -> String {
    let end = (0..=name.len().min(LONGEST_NAME)).rev().find(|end| name.is_char_boundary(*end));
    let kept = name.get(..end.unwrap_or(0)).unwrap_or_default();
    kept.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shortened("import"), "import");
        assert_eq!(shortened("a\nb\0"), "a b ");
        let long = "é".repeat(150);
        assert_eq!(shortened(&long), "é".repeat(100));
        assert_eq!(shortened(&format!("x{long}")), format!("x{}", "é".repeat(99)));
    }
}
