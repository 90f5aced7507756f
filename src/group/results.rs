//! `Results`: the results of members, until they are taken.
//!
//! 1. A member has a slot from its admission until its handle has returned the result or is dropped. The slot is then used
//!    for another member, so it stores the number of its current member.
//! 2. A result is in one place: in the slot if the handle is alive, otherwise in the list of the group.
//! 3. If all members that are left wait for a result, none will come. So the last member that begins to wait gets
//!    `None` instead. If this happens because a member ends, the waiting tasks are woken, and the first one that looks
//!    gets `None`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use super::error::TaskError;
use super::shared::{Shared, TaskResult};
use super::state::{Seat, State};
use crate::error::Cancelled;
use crate::panic::discard;
use crate::reason::Reason;
use crate::visits::visit;
use crate::wait::{Slab, WaitList, Wakers, is_probe};

/// An empty list keeps capacity for at most this many results, so that one burst does not hold memory forever.
const CAPACITY_KEPT: usize = 64;

pub(super) struct Results<T, E> {
    slots: Slab<Slot<T, E>>,
    /// The results of detached members (those whose handle was dropped), in the order in which the members ended. Each has
    /// the number of its member.
    untaken: VecDeque<(u64, TaskResult<T, E>)>,
    /// The tasks that wait for a result from the list.
    waiters: WaitList,
    /// The numbers of the members that wait for a result. For each, how many of its futures wait (3).
    waiting: BTreeMap<u64, usize>,
    /// How often the waiters have been taken out of the list. A place in the list is valid until this number changes.
    wakes: u64,
}

/// A member whose handle is alive.
struct Slot<T, E> {
    number: u64,
    state: SlotState<T, E>,
}

enum SlotState<T, E> {
    /// The member has not ended. The waker is that of its handle, once the handle has been polled.
    Running(Option<Waker>),
    Ended(TaskResult<T, E>),
}

/// What remains to be done with a result, once the lock is released.
pub(super) struct Delivered<T, E> {
    /// The waker of the task that polled the handle. The caller wakes it.
    pub(super) waker: Option<Waker>,
    /// The result, if nothing keeps it.
    pub(super) unneeded: Option<TaskResult<T, E>>,
    /// Whether the result is in the list of the group.
    pub(super) is_kept: bool,
}

/// A place in the list of tasks that wait for a result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    index: usize,
    wakes: u64,
}

impl<T, E> Default for Results<T, E> {
    fn default() -> Self {
        Results {
            slots: Slab::EMPTY,
            untaken: VecDeque::new(),
            waiters: WaitList::default(),
            waiting: BTreeMap::new(),
            wakes: 0,
        }
    }
}

/// Drops the results that were not taken. They are dropped one by one, because the process would abort if two of them
/// panicked within one drop.
impl<T, E> Drop for Results<T, E> {
    fn drop(&mut self) {
        self.untaken.drain(..).for_each(discard);
    }
}

impl<T, E> Results<T, E> {
    /// Adds the slot of the member with this number. Returns its index.
    pub(super) fn add_slot(&mut self, number: u64) -> usize {
        self.slots.insert(Slot { number, state: SlotState::Running(None) })
    }

    /// Leaves the result of a member in its slot, or in the list if its handle is gone and `keeps` is true.
    pub(super) fn deliver(
        &mut self,
        seat: Seat,
        result: TaskResult<T, E>,
        keeps: bool,
    ) -> Delivered<T, E> {
        self.forget_waiting(seat.number);
        let mut delivered = Delivered { waker: None, unneeded: None, is_kept: false };
        match self.slots.get_mut(seat.slot) {
            Some(slot) if slot.number == seat.number => {
                let before = std::mem::replace(&mut slot.state, SlotState::Ended(result));
                if let SlotState::Running(waker) = before {
                    delivered.waker = waker;
                }
            }
            _ => {
                delivered.unneeded = self.keep(seat.number, result, keeps);
                delivered.is_kept = delivered.unneeded.is_none();
            }
        }
        delivered
    }

    /// Puts a result into the list, or returns it if `keeps` is false.
    fn keep(
        &mut self,
        number: u64,
        result: TaskResult<T, E>,
        keeps: bool,
    ) -> Option<TaskResult<T, E>> {
        if !keeps {
            return Some(result);
        }
        self.untaken.push_back((number, result));
        None
    }

    /// Returns the number of members that wait for a result.
    pub(super) fn waiting_members(&self) -> usize {
        self.waiting.len()
    }

    /// No longer counts a member as waiting.
    pub(super) fn forget_waiting(&mut self, member: u64) {
        self.waiting.remove(&member);
    }

    /// Counts a future that waits, if it belongs to a member.
    fn count_waiting(&mut self, member: Option<u64>) {
        if let Some(member) = member {
            *self.waiting.entry(member).or_default() += 1;
        }
    }

    /// Undoes one call of `count_waiting`.
    fn uncount_waiting(&mut self, member: Option<u64>) {
        if let Some(Entry::Occupied(mut entry)) = member.map(|member| self.waiting.entry(member)) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    /// Takes the tasks that wait for a result, if there are any.
    pub(super) fn take_waiters(&mut self) -> Option<Wakers> {
        self.wakes += 1;
        if self.waiters.is_empty() { None } else { Some(Wakers::of(&mut self.waiters)) }
    }
}

impl<T, E> State<T, E> {
    /// Returns whether there may be another result for a future that is not counted as waiting. `member` is the member that
    /// the future belongs to, if there is one.
    fn may_come_for(&self, member: Option<u64>) -> bool {
        let Some(member) = member else { return self.members > 0 };
        let waiting = &self.results.waiting;
        self.members > waiting.len() + usize::from(!waiting.contains_key(&member))
    }

    /// Returns whether the result of a detached member is kept. The result that failed the group is always kept.
    pub(super) fn keeps_result_of(&self, number: u64) -> bool {
        let failed = self.failure.as_ref().is_some_and(|failure| failure.number == Some(number));
        !self.policy.discards || failed
    }
}

/// The methods for the handles of members.
impl<T, E> Shared<T, E> {
    /// If the member has ended, takes its result out of the slot. Otherwise leaves the waker of the handle there.
    pub(super) fn poll_slot(&self, slot: usize, cx: &Context<'_>) -> Poll<TaskResult<T, E>> {
        let mut new = None;
        loop {
            let mut state = self.state.lock();
            let slots = &mut state.results.slots;
            let waker = match slots.get_mut(slot).map(|slot| &mut slot.state) {
                Some(SlotState::Running(waker)) => waker,
                _ => {
                    let removed = slots.remove(slot).map(|slot| slot.state);
                    drop(state);
                    discard(new);
                    let Some(SlotState::Ended(result)) = removed else {
                        unreachable!("the slot belongs to the handle that is polled")
                    };
                    return Poll::Ready(result);
                }
            };
            let is_known = waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if is_known || is_probe(cx.waker()) {
                return Poll::Pending;
            }
            if let Some(new) = new.take() {
                let replaced = waker.replace(new);
                drop(state);
                discard(replaced);
                return Poll::Pending;
            }
            // A waker is user code, so it is cloned with no lock held.
            drop(state);
            new = Some(cx.waker().clone());
        }
    }

    /// Returns whether the member of a handle has ended.
    pub(super) fn has_ended(&self, slot: usize) -> bool {
        let mut state = self.state.lock();
        let slot = state.results.slots.get_mut(slot);
        slot.is_some_and(|slot| matches!(slot.state, SlotState::Ended(_)))
    }

    /// Detaches a member from its handle. From now on its result belongs to the group, even if the member has ended already.
    pub(super) fn detach(&self, seat: Seat) {
        let mut state = self.state.lock();
        let keeps = state.keeps_result_of(seat.number);
        let results = &mut state.results;
        let Some(slot) = results.slots.remove(seat.slot) else { return };
        match slot.state {
            SlotState::Running(waker) => {
                drop(state);
                discard(waker);
            }
            SlotState::Ended(result) => {
                let unneeded = results.keep(seat.number, result, keeps);
                let waiters = results.take_waiters();
                drop(state);
                discard(unneeded);
                if let Some(waiters) = waiters {
                    waiters.wake_all();
                }
            }
        }
    }
}

/// The methods that take the results of detached members.
impl<T, E> Shared<T, E> {
    /// Takes the results, in the order in which the members were spawned.
    pub(super) fn take_results(&self) -> Vec<TaskResult<T, E>> {
        let untaken = std::mem::take(&mut self.state.lock().results.untaken);
        in_order(untaken.into())
    }

    /// Takes the results if all are values. Otherwise returns the error that failed the group, or else the first error.
    pub(super) fn try_take_results(&self) -> Result<Vec<T>, TaskError<E>> {
        let failed = self.take_failure();
        let mut results = self.take_results();
        let error = failed.or_else(|| {
            let first = results.iter().position(Result::is_err)?;
            results.remove(first).err()
        });
        match error {
            Some(error) => {
                results.into_iter().for_each(discard);
                Err(error)
            }
            None => Ok(results.into_iter().flatten().collect()),
        }
    }

    /// Takes the error that failed the group. If a handle has that error, returns a cancellation with the reason of the
    /// group instead.
    pub(super) fn take_failure(&self) -> Option<TaskError<E>> {
        let mut state = self.state.lock();
        let failed = state.failure.as_ref()?;
        let (number, cause) = (failed.number, failed.cause.clone());
        let untaken = &mut state.results.untaken;
        let mut results = untaken.iter().inspect(|_| visit());
        let found = results.position(|(other, _)| Some(*other) == number);
        let removed = found.and_then(|found| untaken.remove(found));
        drop(state);
        match removed {
            Some((_, Err(error))) => Some(error),
            _ => Some(Cancelled::new(Reason::error(cause)).into()),
        }
    }

    /// Takes the next result, for a future that is not counted as waiting. If there is no result, returns `Err(true)` if one
    /// may come later, and `Err(false)` otherwise.
    pub(super) fn take_next(&self, member: Option<u64>) -> Result<TaskResult<T, E>, bool> {
        let mut state = self.state.lock();
        let may_come = state.may_come_for(member);
        let untaken = &mut state.results.untaken;
        let Some((_, result)) = untaken.pop_front() else { return Err(may_come) };
        if untaken.is_empty() && untaken.capacity() > CAPACITY_KEPT {
            *untaken = VecDeque::new();
        }
        Ok(result)
    }

    /// Adds a waker to the list of tasks that wait for a result, or replaces the one at `place`. `member` is the member that
    /// the waiting future belongs to, if there is one. Does not add the waker, and returns `None`, if there is a result or
    /// if none will come.
    pub(super) fn add_waiter(
        &self,
        place: Option<Place>,
        member: Option<u64>,
        waker: Waker,
    ) -> Option<Place> {
        let mut state = self.state.lock();
        if !state.results.untaken.is_empty() || !state.may_come_for(member) {
            drop(state);
            return None;
        }
        state.results.count_waiting(member);
        let Results { waiters, wakes, .. } = &mut state.results;
        let valid = place.filter(|place| place.wakes == *wakes);
        let (index, replaced) = match valid {
            Some(Place { index, .. }) => (index, waiters.replace(index, waker)),
            None => (waiters.insert(waker), None),
        };
        let place = Place { index, wakes: *wakes };
        drop(state);
        discard(replaced);
        Some(place)
    }

    /// No longer counts a future as waiting, if it was counted for a member. The waker of the future stays in the list.
    pub(super) fn stop_waiting(&self, member: Option<u64>) {
        if member.is_some() {
            self.state.lock().results.uncount_waiting(member);
        }
    }

    /// Takes a waker out of the list of waiting tasks, unless it was woken.
    pub(super) fn remove_waiter(&self, place: Place, member: Option<u64>) {
        let mut state = self.state.lock();
        state.results.uncount_waiting(member);
        let Results { waiters, wakes, .. } = &mut state.results;
        let removed = if place.wakes == *wakes { waiters.remove(place.index) } else { None };
        drop(state);
        discard(removed);
    }
}

/// Sorts results by the numbers of their members.
fn in_order<R>(mut numbered: Vec<(u64, R)>) -> Vec<R> {
    if !numbered.is_sorted_by_key(|(number, _)| *number) {
        let numbers = || numbered.iter().map(|(number, _)| *number);
        let (first, last) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
        let span = (last - first) as usize + 1;
        if span / 2 <= numbered.len() {
            // The numbers are dense, so each result goes directly to its place, which takes linear time.
            let mut places: Vec<Option<R>> = std::iter::repeat_with(|| None).take(span).collect();
            for (number, result) in numbered {
                places[(number - first) as usize] = Some(result);
            }
            return places.into_iter().flatten().collect();
        }
        numbered.sort_unstable_by_key(|(number, _)| *number);
    }
    numbered.into_iter().map(|(_, result)| result).collect()
}
