//! The requesters that wait for the delivery of their requests.
//!
//! When a requester starts to wait, the driver reads the targets of its request. At each poll, the driver reads the targets of
//! all requests that requesters wait for, with one query.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use cancelable::{CancelableExt, CancellationToken, timeout};

use super::shared::Shared;
use crate::engine::{Engine, Target};
use crate::error::Error;
use crate::id::RequestId;

#[derive(Debug, Default)]
pub(super) struct Watches {
    /// The requesters that wait. Each gets a number, which is the key.
    entries: HashMap<u64, Entry>,
    next: u64,
    /// The requesters whose requests the driver has not begun to read.
    new: Vec<u64>,
}

#[derive(Debug)]
struct Entry {
    request: RequestId,
    found: Found,
    /// Cancelled when `found` changes.
    changed: CancellationToken,
}

#[derive(Clone, Debug, PartialEq)]
enum Found {
    NotRead,
    NoSuchRequest,
    Targets(Vec<Target>),
}

impl Found {
    fn is_settled(&self) -> bool {
        match self {
            Found::NotRead => false,
            Found::NoSuchRequest => true,
            Found::Targets(targets) => targets.iter().all(|target| target.state.is_settled()),
        }
    }
}

impl Watches {
    pub(super) fn has_new(&self) -> bool {
        !self.new.is_empty()
    }

    /// Returns the requests to read: all of them, or those of new requesters.
    pub(super) fn requests(&mut self, all: bool) -> Vec<RequestId> {
        let new = mem::take(&mut self.new);
        let mut requests: Vec<_> = if all {
            let open = self.entries.values().filter(|entry| !entry.found.is_settled());
            open.map(|entry| entry.request).collect()
        } else {
            new.iter().filter_map(|requester| Some(self.entries.get(requester)?.request)).collect()
        };
        requests.sort_unstable();
        requests.dedup();
        requests
    }

    /// Queues the requests that have not been read yet, so that the driver reads them again after a failed call.
    pub(super) fn ask_again(&mut self) {
        let unread = self.entries.iter().filter(|(_, entry)| entry.found == Found::NotRead);
        self.new = unread.map(|(requester, _)| *requester).collect();
    }

    /// Stores what was found for some requests. Returns tokens that the caller cancels once it has released the lock.
    pub(super) fn store(
        &mut self,
        asked: &[RequestId],
        mut found: HashMap<RequestId, Vec<Target>>,
    ) -> Vec<CancellationToken> {
        let mut changed = Vec::new();
        for entry in self.entries.values_mut() {
            if asked.binary_search(&entry.request).is_err() {
                continue;
            }
            let now = match found.get_mut(&entry.request) {
                Some(targets) => Found::Targets(targets.clone()),
                None => Found::NoSuchRequest,
            };
            if entry.found != now {
                entry.found = now;
                changed.push(mem::take(&mut entry.changed));
            }
        }
        changed
    }
}

/// A requester that waits. Dropping this value removes the requester.
pub(super) struct Watch<'a, E: Engine> {
    shared: &'a Shared<E>,
    requester: u64,
}

impl<'a, E: Engine> Watch<'a, E> {
    pub(super) fn start(shared: &'a Shared<E>, request: RequestId) -> Self {
        let requester = shared.order(|state| {
            let watches = &mut state.watches;
            let requester = watches.next;
            watches.next += 1;
            let entry = Entry { request, found: Found::NotRead, changed: Default::default() };
            watches.entries.insert(requester, entry);
            watches.new.push(requester);
            requester
        });
        Watch { shared, requester }
    }

    /// Waits until the targets of the request have been read once. Then waits until no target can change, but at most for
    /// `limit`. Returns the targets.
    pub(super) async fn targets(
        &self,
        request: RequestId,
        limit: Duration,
    ) -> Result<Vec<Target>, Error> {
        let first_limit = self.shared.settings.call_limit;
        if self.until(|found| *found != Found::NotRead, first_limit).await?.is_none() {
            return Err(Error::TimedOut { limit: first_limit });
        }
        let settled = self.until(Found::is_settled, limit).await?;
        let latest = settled.unwrap_or_else(|| self.found().0);
        match latest {
            Found::Targets(targets) => Ok(targets),
            Found::NotRead | Found::NoSuchRequest => Err(Error::UnknownRequest(request)),
        }
    }

    async fn until(
        &self,
        is_enough: impl Fn(&Found) -> bool,
        limit: Duration,
    ) -> Result<Option<Found>, Error> {
        let found = async {
            loop {
                let (found, changed) = self.found();
                if is_enough(&found) {
                    return Ok(found);
                }
                if self.shared.stopped.is_cancelled() {
                    return Err(Error::Stopped);
                }
                let stopped = &self.shared.stopped;
                cancelable::any_of((&changed, stopped)).await;
            }
        };
        found.cancelable(timeout(limit)).await.ok().transpose()
    }

    fn found(&self) -> (Found, CancellationToken) {
        let state = self.shared.lock();
        let entry = &state.watches.entries[&self.requester];
        (entry.found.clone(), entry.changed.clone())
    }
}

impl<E: Engine> Drop for Watch<'_, E> {
    fn drop(&mut self) {
        let removed = self.shared.lock().watches.entries.remove(&self.requester);
        drop(removed);
    }
}
