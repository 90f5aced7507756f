//! `MemberMap`: the operations in a registry, split over several locks, and whether the map accepts new ones.
//!
//! 1. The count is raised before a member is inserted into the map, and lowered after it has been removed.
//! 2. Once the map is closed, it accepts only operations below its members. A count that has reached zero stays zero.
//! 3. The latch of a count is set once the map is closed and the count is zero, and not before.
//!
//! For 2: `insert` reads the flag with the lock of its shard held. `close` sets the flag, then takes each
//! lock once. So an insertion that did not see the flag has been counted when `close` continues.
//!
//! For 3: `remove` lowers the counts, then reads the flag. `close` sets the flag, then reads the counts. Both have a
//! fence between their two steps, so at least one of the two threads sees what the other one wrote.

use std::collections::{HashMap, hash_map};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use crate::hash::MultiplyHasher;
use crate::operation::OperationId;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, fence};
use crate::visits::visit;
use crate::wait::Latch;

/// The number of shards, each with its own lock. Two are enough for the model checker.
const SHARDS: usize = if cfg!(cancelable_loom) { 2 } else { 16 };

/// A shard keeps room for this many members. A larger shard shrinks when its members leave, so that a burst
/// does not cost memory forever.
const KEPT_CAPACITY: usize = 64;

type Shard<M> = HashMap<OperationId, Entry<M>, BuildHasherDefault<MultiplyHasher>>;

#[derive(Debug)]
struct Entry<M> {
    member: Arc<M>,
    /// Whether the member counts as regular. A shutdown waits until all regular members have left, and then cancels the
    /// daemons.
    is_regular: bool,
}

/// Why an operation is added to the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The operation was registered.
    Registered,
    /// The operation is below one that is or was a member, or is a task of such an operation.
    Below,
}

#[derive(Debug)]
pub(crate) struct MemberMap<M> {
    shards: [Mutex<Shard<M>>; SHARDS],
    all: Count,
    /// The members that are not daemons.
    regular: Count,
    closed: AtomicBool,
}

/// The number of members, and a latch that is set when the map is closed and none are left.
#[derive(Debug)]
struct Count {
    count: AtomicUsize,
    gone: Arc<Latch<()>>,
}

impl Count {
    fn new() -> Self {
        Count { count: AtomicUsize::new(0), gone: Arc::new(Latch::new()) }
    }

    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds one unless the count is zero. Returns whether it did.
    fn add_unless_zero(&self) -> bool {
        let add = |count: usize| (count > 0).then_some(count + 1);
        self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
    }

    fn remove(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }

    fn get(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Sets the latch if the count is zero. Called once the map is closed.
    fn set_gone_if_zero(&self) {
        if self.get() == 0 {
            if let Some(waiters) = self.gone.set(()) {
                waiters.wake_all();
            }
        }
    }
}

/// The result of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insertion {
    Done,
    /// The map already has a member with this id.
    Known,
    /// The map is closed.
    Refused,
}

impl<M> MemberMap<M> {
    pub(crate) fn new() -> Self {
        MemberMap {
            shards: std::array::from_fn(|_| Mutex::default()),
            all: Count::new(),
            regular: Count::new(),
            closed: AtomicBool::new(false),
        }
    }

    fn shard(&self, id: OperationId) -> &Mutex<Shard<M>> {
        // The remainder is less than the number of shards, which is small.
        &self.shards[(id.as_u64() % SHARDS as u64) as usize]
    }

    pub(crate) fn insert(
        &self,
        id: OperationId,
        is_daemon: bool,
        admission: Admission,
        member: &Arc<M>,
    ) -> Insertion {
        let mut shard = self.shard(id).lock();
        let hash_map::Entry::Vacant(place) = shard.entry(id) else { return Insertion::Known };
        let mut is_regular = !is_daemon;
        if !self.is_closed() {
            self.all.add();
            if is_regular {
                self.regular.add();
            }
        } else if admission == Admission::Below && self.all.add_unless_zero() {
            // If all regular members have left, the shutdown no longer waits for regular members. So this member counts as a
            // daemon.
            is_regular = is_regular && self.regular.add_unless_zero();
        } else {
            return Insertion::Refused;
        }
        place.insert(Entry { member: member.clone(), is_regular });
        Insertion::Done
    }

    /// Removes a member.
    pub(crate) fn remove(&self, id: OperationId) {
        let mut shard = self.shard(id).lock();
        let removed = shard.remove(&id);
        let (len, capacity) = (shard.len(), shard.capacity());
        if capacity > KEPT_CAPACITY && len < capacity / 8 {
            // Shrinking moves the remaining members, and drops none of them. Before each shrink, several members have left
            // for every member that is moved. So a removal takes constant time on average.
            shard.shrink_to((2 * len).max(KEPT_CAPACITY / 2));
        }
        // Setting the latch wakes tasks, so the lock is released first.
        drop(shard);
        if let Some(removed) = &removed {
            self.all.remove();
            if removed.is_regular {
                self.regular.remove();
            }
            // This thread lowers the counts, then reads the flag. `close` sets the flag, then reads the counts (3).
            fence(Ordering::SeqCst);
            if self.is_closed() {
                self.set_gone_if_zero();
            }
        }
        // Dropping a member may run user code, so the member is dropped with no lock held.
        drop(removed);
    }

    /// Closes the map. Returns whether this call closed it.
    pub(crate) fn close(&self) -> bool {
        // If two threads close the map, the first to get the lock of the first shard returns `true`.
        let first = self.shards[0].lock();
        if self.is_closed() {
            return false;
        }
        self.closed.store(true, Ordering::Release);
        drop(first);
        // An insertion that did not see the flag holds its shard's lock. Taking each lock waits for such an insertion (2).
        for shard in &self.shards {
            drop(shard.lock());
        }
        fence(Ordering::SeqCst);
        self.set_gone_if_zero();
        true
    }

    fn set_gone_if_zero(&self) {
        self.regular.set_gone_if_zero();
        self.all.set_gone_if_zero();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn len(&self) -> usize {
        self.all.get()
    }

    /// Returns the latch that is set once the map is closed and empty.
    pub(crate) fn drained(&self) -> &Arc<Latch<()>> {
        &self.all.gone
    }

    /// Returns the latch that is set once the map is closed and no members are left except daemons.
    #[cfg(any(feature = "time", cancelable_loom))]
    pub(crate) fn regular_gone(&self) -> &Arc<Latch<()>> {
        &self.regular.gone
    }

    pub(crate) fn get(&self, id: OperationId) -> Option<Arc<M>> {
        self.shard(id).lock().get(&id).map(|entry| entry.member.clone())
    }

    /// Returns all members, ordered by id. Locks one shard at a time, only while it clones the pointers.
    pub(crate) fn list(&self) -> Vec<Arc<M>> {
        let mut all = Vec::with_capacity(self.len());
        for shard in &self.shards {
            let shard = shard.lock();
            let members = shard.iter().inspect(|_| visit());
            all.extend(members.map(|(id, entry)| (*id, entry.member.clone())));
        }
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, member)| member).collect()
    }
}
