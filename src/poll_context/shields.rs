//! The shields that a race has to wait for.
//!
//! A shield and the races around it share a [`Protection`]. At its first poll, the shield adds its protection to a list of
//! the thread and increments a counter. When the poll of a race around the shield returns, the race sees that the counter
//! has changed, and copies the protection from the list. A race without shields only compares two numbers.
//!
//! 1. A shield stays registered until it ends, even if the races around it are polled and those polls do not reach the
//!    shield.
//! 2. When a shield ends, it wakes each race that waits for it. A race that this thread is polling at that moment is not
//!    woken, because the race looks at its shields after each poll of its work.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::Context;

use super::Tracer;
use crate::frame::OutsideWork;
use crate::sync::{AtomicBool, Mutex, Ordering};
use crate::text::Text;
use crate::visits::visit;
use crate::wait::WakerSlot;

thread_local! {
    /// How many shields have ever registered on this thread.
    static REGISTRATIONS: Cell<usize> = const { Cell::new(0) };

    /// The registered shields and their numbers, oldest first. Shields that have ended are removed from time to time. Unlike
    /// the other thread-locals of a poll, this list has a destructor, so the list may be gone while a thread is ending.
    static REGISTERED: RefCell<Vec<(usize, Arc<Protection>)>> = const { RefCell::new(Vec::new()) };
}

/// What a shield and the races around it share.
#[derive(Debug)]
pub(crate) struct Protection {
    section: Section,
    /// The number of the race that was about to drop its work when the section was first polled, or 0 if there was none.
    /// That race must not wait for the section, because the section is not part of its work.
    outside_of: u64,
    /// Whether the section is still running.
    active: AtomicBool,
    /// Whether a race waits for the end of the section. Changes under the lock of `races`.
    awaited: AtomicBool,
    /// The races that wait for the end of the section.
    races: Mutex<Vec<Arc<Tracer>>>,
    /// Woken when a race begins to wait.
    waker: WakerSlot,
    /// Whether [`claim`](Self::claim) was called.
    claimed: AtomicBool,
}

/// The kind of section.
#[derive(Clone, Debug)]
pub(crate) enum Section {
    /// The future in a shield, which may have a name.
    Shield(Option<Text>),
    /// The clean-up of an operation.
    CleanUp,
}

impl Protection {
    pub(crate) fn new(section: Section, outside_of: u64) -> Self {
        Protection {
            section,
            outside_of,
            active: AtomicBool::new(true),
            awaited: AtomicBool::new(false),
            races: Mutex::default(),
            waker: WakerSlot::default(),
            claimed: AtomicBool::new(false),
        }
    }

    pub(crate) fn section(&self) -> &Section {
        &self.section
    }

    /// Returns whether races still have to wait for the section.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Returns whether a race waits for the end of the section.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// Ends the protection: the section has ended, or its time limit has passed.
    pub(crate) fn end(&self) {
        // Cleared before the list is taken. So a race that comes too late for the list sees that the section has ended.
        self.active.store(false, Ordering::Release);
        let races = std::mem::take(&mut *self.races.lock());
        wake(races.iter().filter(|race| !race.is_polled_here()));
        // The list of the thread may keep this protection for a while. Clear the waker, because the waker keeps its task
        // alive.
        self.waker.clear();
    }

    /// Adds a race that waits for the end of the section. Returns true if the race did not wait for the section before.
    pub(crate) fn wait_for(&self, race: &Arc<Tracer>) -> bool {
        let is_new = {
            let mut races = self.races.lock();
            self.awaited.store(true, Ordering::Release);
            // `end` clears `active` before it takes this list under the lock. So a race that is added here is in the
            // list that `end` takes. If the section has ended, the race sees that when it looks at its shields.
            let is_new = self.is_active() && !races.iter().any(|known| Arc::ptr_eq(known, race));
            if is_new {
                races.push(race.clone());
            }
            is_new
        };
        self.waker.wake();
        is_new
    }

    /// Returns whether this race waits for the end of the section.
    pub(crate) fn keeps(&self, race: &Arc<Tracer>) -> bool {
        self.is_active() && self.races.lock().iter().any(|waiting| Arc::ptr_eq(waiting, race))
    }

    /// Releases the race with the number `outside_of` and all races that this thread is not polling. These races no longer
    /// wait for the section, because the section has turned out not to be part of their work.
    pub(crate) fn release(&self, outside_of: u64) {
        let mut released = Vec::new();
        {
            let mut races = self.races.lock();
            races.retain(|race| {
                let stays = race.is_polled_here() && race.race() != outside_of;
                if !stays {
                    released.push(race.clone());
                }
                stays
            });
            self.awaited.store(!races.is_empty(), Ordering::Release);
        }
        wake(released.iter());
    }

    /// Removes a race that no longer waits for the section.
    pub(crate) fn forget(&self, race: &Arc<Tracer>) {
        self.races.lock().retain(|waiting| !Arc::ptr_eq(waiting, race));
    }

    /// Returns whether a race waits for the end of the section. If no race does, the task is woken when a race begins to
    /// wait.
    #[inline]
    pub(crate) fn poll_awaited(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.is_awaited()
    }

    /// Returns true at the first call, and false afterwards. So only the innermost operation around the section reports the
    /// section.
    pub(crate) fn claim(&self) -> bool {
        // The operations around a section call this in one poll, the innermost first.
        let first = !self.claimed.load(Ordering::Relaxed);
        self.claimed.store(true, Ordering::Relaxed);
        first
    }
}

fn wake<'a>(races: impl Iterator<Item = &'a Arc<Tracer>>) {
    races.for_each(|race| race.wake_race());
}

/// Registers a shield with every race around this poll, except the one with the number `outside_of`.
pub(crate) fn register_shield(name: Option<&Text>, outside_of: u64) -> Arc<Protection> {
    register(Section::Shield(name.cloned()), outside_of)
}

/// Registers the clean-up of an operation with every race around this poll, except the one with the number
/// `outside_of`.
pub(crate) fn register_clean_up(outside_of: u64) -> Arc<Protection> {
    register(Section::CleanUp, outside_of)
}

fn register(section: Section, outside_of: u64) -> Arc<Protection> {
    let protection = Arc::new(Protection::new(section, outside_of));
    let number = REGISTRATIONS.get() + 1;
    REGISTRATIONS.set(number);
    // While a thread is ending, the list may be gone. In that case, the section is not protected.
    let _ = REGISTERED.try_with(|all| {
        let mut all = all.borrow_mut();
        // Remove the sections that have ended. This runs no user code. It is done only when the list is full, because a walk
        // of the whole list at each registration would take quadratic time in total.
        if all.len() == all.capacity() {
            all.retain(|(_, protection)| {
                visit();
                protection.is_active()
            });
            let room = all.len().max(8);
            all.reserve(room);
        }
        all.push((number, protection.clone()));
    });
    protection
}

/// Returns how many shields have registered on this thread so far.
#[inline]
pub(crate) fn registrations() -> usize {
    REGISTRATIONS.get()
}

/// Returns the shields that have registered since the count was `before` and have not ended. `race` is the number of the
/// calling race if it is about to drop its work, else 0. Shields that are known to be outside of that work are left out.
#[cold]
pub(crate) fn registered_since(before: usize, race: u64) -> Vec<Arc<Protection>> {
    let since = REGISTERED.try_with(|all| {
        let all = all.borrow();
        let since = &all[all.partition_point(|(number, _)| *number <= before)..];
        let is_inside = |protection: &Protection| race == 0 || protection.outside_of != race;
        let active = since.iter().filter(|(_, protection)| {
            visit();
            protection.is_active() && is_inside(protection)
        });
        active.map(|(_, protection)| protection.clone()).collect()
    });
    since.unwrap_or_default()
}

/// Guard for a poll of the section in a shield. During the poll, the [frame](crate::frame) says that no race is about to
/// drop its work. Shields that register during the poll are removed from the list at the end of the poll. So the races
/// around this shield wait only for this shield.
#[derive(Debug)]
pub(crate) struct InShield {
    before: usize,
    _frame: OutsideWork,
}

impl InShield {
    #[inline]
    pub(crate) fn enter() -> Self {
        InShield { before: registrations(), _frame: OutsideWork::in_shield() }
    }
}

impl Drop for InShield {
    #[inline]
    fn drop(&mut self) {
        if registrations() != self.before {
            let _ = REGISTERED.try_with(|all| {
                let mut all = all.borrow_mut();
                let known = all.partition_point(|(number, _)| *number <= self.before);
                all.truncate(known);
            });
        }
    }
}
