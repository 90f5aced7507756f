//! `Members`: who is in a registry, and the end of its intake.
//!
//! 1. Whoever is in the map is counted before it can be seen there, and leaves the count after it has
//!    left the map.
//! 2. Nobody enters once the intake is closed.
//! 3. The latch `emptied` is set once the intake is closed and the count is zero, and not before.
//!
//! For 2: who enters looks at the flag with the lock of its part held. Who closes sets the flag, and
//! then takes each lock once. So whoever entered before that is counted when the closing goes on, and
//! whoever comes after finds the flag.
//!
//! For 3: who leaves takes itself from the count, and then looks at the flag; who closes sets the
//! flag, and then looks at the count. With a fence between the two steps of each, one of them at least
//! sees what the other did.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use crate::hash::MultiplyHasher;
use crate::operation::OperationId;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, fence};
use crate::wait::Latch;

/// Into how many parts the map is split, each with a lock of its own. The model checker has enough
/// to do with two.
const PARTS: usize = if cfg!(cancelable_loom) { 2 } else { 16 };

/// An empty part keeps at most this much room, so that one busy moment is not paid for for ever.
const ROOM_KEPT: usize = 64;

type Part<M> = Mutex<HashMap<OperationId, Arc<M>, BuildHasherDefault<MultiplyHasher>>>;

#[derive(Debug)]
pub(crate) struct Members<M> {
    parts: [Part<M>; PARTS],
    count: AtomicUsize,
    closed: AtomicBool,
    emptied: Arc<Latch<()>>,
}

/// What became of an attempt to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Entered,
    /// It is in already.
    Known,
    Closed,
}

impl<M> Members<M> {
    pub(crate) fn new() -> Self {
        Members {
            parts: std::array::from_fn(|_| Mutex::default()),
            count: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            emptied: Arc::new(Latch::new()),
        }
    }

    fn part(&self, id: OperationId) -> &Part<M> {
        // The remainder is less than the number of parts, which is small.
        &self.parts[(id.as_u64() % PARTS as u64) as usize]
    }

    pub(crate) fn enter(&self, id: OperationId, member: &Arc<M>) -> Entry {
        let mut part = self.part(id).lock();
        if part.contains_key(&id) {
            return Entry::Known;
        }
        if self.closed.load(Ordering::Acquire) {
            return Entry::Closed;
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        part.insert(id, member.clone());
        Entry::Entered
    }

    pub(crate) fn leave(&self, id: OperationId) {
        let mut part = self.part(id).lock();
        let left = part.remove(&id);
        if part.capacity() > ROOM_KEPT && part.is_empty() {
            // Nobody is in it: dropping it runs nobody's code.
            *part = HashMap::default();
        }
        drop(part);
        if left.is_some() {
            self.count.fetch_sub(1, Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if self.closed.load(Ordering::Acquire) {
                self.look_whether_empty();
            }
        }
        // What it holds is code of others: not under the lock.
        drop(left);
    }

    /// Ends the intake. Tells whether this call did it.
    pub(crate) fn close(&self) -> bool {
        let deciding = self.parts[0].lock();
        if self.is_closed() {
            return false;
        }
        self.closed.store(true, Ordering::Release);
        drop(deciding);
        for part in &self.parts {
            drop(part.lock());
        }
        fence(Ordering::SeqCst);
        self.look_whether_empty();
        true
    }

    fn look_whether_empty(&self) {
        if self.count.load(Ordering::Acquire) == 0 {
            if let Some(waiters) = self.emptied.set(()) {
                waiters.wake_all();
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Set once the intake is closed and everyone has left.
    pub(crate) fn emptied(&self) -> &Arc<Latch<()>> {
        &self.emptied
    }

    pub(crate) fn get(&self, id: OperationId) -> Option<Arc<M>> {
        self.part(id).lock().get(&id).cloned()
    }

    /// Everyone who is in, by id. One part is locked at a time, and only for as long as it takes to
    /// note who is in it.
    pub(crate) fn all(&self) -> Vec<Arc<M>> {
        let mut all = Vec::with_capacity(self.len());
        for part in &self.parts {
            all.extend(part.lock().iter().map(|(id, member)| (*id, member.clone())));
        }
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, member)| member).collect()
    }
}
