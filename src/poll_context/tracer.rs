//! `Tracer`: the waker with which a race polls its work while it waits for shields.
//!
//! A tracer passes wake-ups on to the task of the race. It also shows whether a future is part of the work. To find that
//! out, the future wakes itself while it is polled, and then checks whether the wake-up has reached the tracer:
//!
//! * A combinator such as `FuturesUnordered` polls its parts with wakers of its own. When such a waker is woken, it wakes
//!   the combinator's own waker at once. So the wake-up reaches the tracer, even through several combinators.
//! * An executor polls its tasks with wakers of its own, too. But if a task is woken while it is polled, the executor
//!   only marks it, and looks at the mark after the poll. So the wake-up does not reach the tracer.
//!
//! 1. `woken` is cleared before each poll of the work and set by each wake-up. A combinator may pass on only the first
//!    wake-up of a poll. So a wake-up that does not reach the tracer proves nothing if `woken` was set before it. A race in
//!    the work may have a tracer of its own, whose waker is this tracer. Each wake-up of the inner tracer also sets `woken`
//!    in this one. The inner tracer does so directly, because it gives up its waker at its first wake-up in a poll, and
//!    later wake-ups would not reach this tracer.
//! 2. A future that stays pending until the race is over leaves its waker in `stopped`. When the future is dropped, its
//!    waker is removed. The wakers that remain when the work is gone belong to futures that were not part of the work. The
//!    race wakes these futures.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::frame::next_race;
use crate::panic::contain;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, this_thread};
use crate::wait::{WaitList, WakerSlot, Wakers};

thread_local! {
    /// The tracer of the innermost race that this thread is polling and that waits for shields.
    static TRACER: Cell<Option<ManuallyDrop<Arc<Tracer>>>> = const { Cell::new(None) };
}

/// The waker of one race: see the [module](self).
#[derive(Debug)]
pub(crate) struct Tracer {
    /// The number of the race.
    race: u64,
    /// Whether the race has been woken since its poll began.
    woken: AtomicBool,
    /// How often the race has been polled.
    polls: AtomicUsize,
    /// The thread that is polling the race, or 0.
    polled_by: AtomicUsize,
    /// The tracer of the next race further out on the stack of that thread.
    outer: Mutex<Option<Outer>>,
    /// The waker of the race's task.
    waker: WakerSlot,
    /// The data pointer of that waker.
    polled_with: AtomicUsize,
    stopped: Mutex<Stopped>,
}

/// The tracer of a race around this one.
#[derive(Clone, Debug)]
struct Outer {
    tracer: Arc<Tracer>,
    /// Whether this race is polled with the waker of that tracer: no combinator or executor is in between.
    is_direct: bool,
}

/// The futures that stay pending until the race is over.
#[derive(Debug, Default)]
struct Stopped {
    wakers: WaitList,
    /// Whether the race is over.
    over: bool,
}

/// Whether a wake-up has reached the race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Yes,
    No,
    /// This wake-up has not reached the race, but an earlier one in this poll has. A combinator may have held this one back
    /// (1).
    Unclear,
}

impl Tracer {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Tracer {
            race: next_race(),
            woken: AtomicBool::new(false),
            polls: AtomicUsize::new(0),
            polled_by: AtomicUsize::new(0),
            outer: Mutex::default(),
            waker: WakerSlot::default(),
            polled_with: AtomicUsize::new(0),
            stopped: Mutex::default(),
        })
    }

    /// Returns the number of the race.
    pub(crate) fn race(&self) -> u64 {
        self.race
    }

    /// Returns whether this thread is in a poll of the race.
    pub(super) fn is_polled_here(&self) -> bool {
        self.polled_by.load(Ordering::Relaxed) == this_thread()
    }

    /// Wakes the task of the race.
    pub(super) fn wake_race(&self) {
        self.woken.store(true, Ordering::SeqCst);
        let mut next = self.direct_outer();
        while let Some(outer) = next {
            outer.woken.store(true, Ordering::SeqCst);
            next = outer.direct_outer();
        }
        self.waker.wake();
    }

    fn direct_outer(&self) -> Option<Arc<Tracer>> {
        let outer = self.outer.lock();
        Some(outer.as_ref().filter(|outer| outer.is_direct)?.tracer.clone())
    }

    /// Wakes `waker`, and returns whether the wake-up has reached the race.
    pub(super) fn test(self: &Arc<Self>, waker: &Waker) -> Reached {
        // If the future is polled with the tracer itself, no test is needed.
        if Waker::from(self.clone()).will_wake(waker) {
            return Reached::Yes;
        }
        // Clear the flag for this test, and restore it afterwards for the next test in this poll (1).
        let woken_before = self.woken.load(Ordering::SeqCst);
        self.woken.store(false, Ordering::SeqCst);
        let _ = contain(|| waker.wake_by_ref());
        let reached = self.woken.load(Ordering::SeqCst);
        if woken_before {
            self.woken.store(true, Ordering::SeqCst);
        }
        match reached {
            true => Reached::Yes,
            false if woken_before => Reached::Unclear,
            false => Reached::No,
        }
    }

    /// Returns how often the race has been polled.
    pub(super) fn polls(&self) -> usize {
        self.polls.load(Ordering::Relaxed)
    }

    /// Keeps the waker of a future that stays pending (2). Returns its place for [`give_back`](Self::give_back).
    pub(crate) fn keep(&self, waker: Waker) -> usize {
        self.stopped.lock().wakers.insert(waker)
    }

    /// Gives back the waker of a future that continues or has been dropped.
    pub(crate) fn give_back(&self, place: usize) -> Option<Waker> {
        let mut stopped = self.stopped.lock();
        if stopped.over { None } else { stopped.wakers.remove(place) }
    }

    /// Wakes the futures that have not been dropped with the work (2). Called once the work is gone.
    pub(crate) fn race_is_over(&self) {
        let left = {
            let mut stopped = self.stopped.lock();
            stopped.over = true;
            Wakers::of(&mut stopped.wakers)
        };
        left.wake_all();
    }
}

impl Wake for Tracer {
    fn wake(self: Arc<Self>) {
        self.wake_race();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_race();
    }
}

/// Returns the tracer of the race with this number, if the race has a tracer and this thread is polling the race.
pub(super) fn tracer_of(race: u64) -> Option<Arc<Tracer>> {
    let mut next = innermost();
    while let Some(tracer) = next {
        if tracer.race == race {
            return Some(tracer);
        }
        next = tracer.outer.lock().as_ref().map(|outer| outer.tracer.clone());
    }
    None
}

/// Returns whether this is the waker of the innermost tracer on this thread.
pub(crate) fn is_traced_by(waker: &Waker) -> bool {
    innermost().is_some_and(|tracer| Waker::from(tracer).will_wake(waker))
}

/// Returns whether a future with this waker is polled by the task whose waker has the data pointer `task`: with the waker
/// of the task, or with those of tracers in the task.
pub(crate) fn is_polled_by_task(waker: &Waker, task: usize) -> bool {
    let mut polled_with = waker.data().addr();
    let mut next = innermost().filter(|tracer| Waker::from(tracer.clone()).will_wake(waker));
    while polled_with != task {
        let Some(tracer) = next else { return false };
        polled_with = tracer.polled_with.load(Ordering::Relaxed);
        next = tracer.direct_outer();
    }
    true
}

/// Returns the innermost tracer on this thread.
pub(super) fn innermost() -> Option<Arc<Tracer>> {
    let tracer = TRACER.take();
    let found = tracer.as_deref().cloned();
    TRACER.set(tracer);
    found
}

/// Guard for a poll of the work by a race that waits for shields.
#[derive(Debug)]
pub(crate) struct Traced {
    outer: Option<ManuallyDrop<Arc<Tracer>>>,
}

impl Traced {
    /// Enters a poll of the work. `waker` is the waker of the race's task.
    pub(crate) fn enter(tracer: &Arc<Tracer>, waker: &Waker) -> Self {
        tracer.waker.register(waker);
        tracer.polled_with.store(waker.data().addr(), Ordering::Relaxed);
        tracer.woken.store(false, Ordering::SeqCst);
        tracer.polls.store(tracer.polls() + 1, Ordering::Relaxed);
        tracer.polled_by.store(this_thread(), Ordering::Relaxed);
        *tracer.outer.lock() = innermost().map(|outer| {
            let is_direct = Waker::from(outer.clone()).will_wake(waker);
            Outer { tracer: outer, is_direct }
        });
        Traced { outer: TRACER.replace(Some(ManuallyDrop::new(tracer.clone()))) }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if let Some(tracer) = TRACER.replace(self.outer.take()) {
            let tracer = ManuallyDrop::into_inner(tracer);
            tracer.polled_by.store(0, Ordering::Relaxed);
            let outer = tracer.outer.lock().take();
            drop(outer);
        }
    }
}
