//! What the code that is being polled runs inside of.
//!
//! A few thread-local cells, changed around each poll and put back by guards, also when the poll
//! panics. What they hold never outlives a poll, so that they need no destructor and nothing of
//! them holds across an await.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use crate::Text;
use crate::panic::contain;
use crate::sync::{AtomicBool, Mutex, Ordering};
use crate::wait::is_probe;

thread_local! {
    static FRAME: Cell<Frame> = const { Cell::new(Frame(0)) };

    /// How many shields have ever registered on this thread. A race compares it before and after
    /// each poll of its work: that is all that a poll costs in which none does.
    static REGISTRATIONS: Cell<usize> = const { Cell::new(0) };

    /// The shields that have registered and have not ended, by their number, oldest first.
    static REGISTERED: RefCell<Vec<(usize, Arc<Protection>)>> = const { RefCell::new(Vec::new()) };

    /// When the operation started that asks its source for limits, if one does.
    static ASKED: Cell<Option<Instant>> = const { Cell::new(None) };

    /// The earliest limit that has been told since it asked.
    static EARLIEST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What holds for the code that is being polled. Most races leave it as it is.
///
/// Bits of one number: what is read and written as a whole costs nothing to speak of.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Frame(u8);

impl Frame {
    /// A race here or further out waits for shields to end, and no shield is in between.
    const CANCELLING: u8 = 1;
    /// A shield is between here and the innermost race of an operation.
    const SHELTERED: u8 = 2;

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// What a shield and the races around it share.
#[derive(Debug)]
pub(crate) struct Protection {
    /// Whether the section still is to be finished.
    active: AtomicBool,
    /// Whether a race waits for the end of the section.
    awaited: AtomicBool,
    /// Whom to wake when one begins to wait.
    waker: Mutex<Option<Waker>>,
    section: Section,
    /// Whether an operation has found it in its work, and tells of it.
    claimed: AtomicBool,
}

/// What is protected.
#[derive(Clone, Debug)]
pub(crate) enum Section {
    /// What stands in a shield, which may have a name.
    Shield(Option<Text>),
    /// What runs after the work of an operation.
    CleanUp,
}

impl Protection {
    /// Of a section that is to be finished. `awaited` says that a race waits for that already.
    pub(crate) fn new(section: Section, awaited: bool) -> Self {
        Protection {
            active: AtomicBool::new(true),
            awaited: AtomicBool::new(awaited),
            waker: Mutex::default(),
            section,
            claimed: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// The section has ended, or is protected no longer.
    pub(crate) fn end(&self) {
        self.active.store(false, Ordering::Release);
        // The list may keep this for a while: it is to keep nothing of others.
        let waker = self.waker.lock().take();
        drop(waker);
    }

    /// What is protected.
    pub(crate) fn section(&self) -> &Section {
        &self.section
    }

    /// Whether nobody has asked this before. Operations around a section hear of it from the inside
    /// out, in one poll: the innermost that tells of it is the one that gets a yes.
    pub(crate) fn claim(&self) -> bool {
        let first = !self.claimed.load(Ordering::Relaxed);
        self.claimed.store(true, Ordering::Relaxed);
        first
    }

    /// Whether what follows the section must not run.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// A cancellation waits for the end of the section. Once, it wakes who asked to be told.
    pub(crate) fn wait_for(&self) {
        self.awaited.store(true, Ordering::Release);
        // Taken out: it is woken once.
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            // The other shields are to be waited for all the same.
            let _ = contain(|| waker.wake());
        }
    }

    /// Asks to be woken when a cancellation begins to wait. Tells whether one does.
    #[inline]
    pub(crate) fn poll_awaited(&self, cx: &mut Context<'_>) -> bool {
        let waker = cx.waker();
        let known = self.waker.lock().as_ref().is_some_and(|known| known.will_wake(waker));
        if !known && !is_probe(waker) {
            let waker = waker.clone();
            let replaced = self.waker.lock().replace(waker);
            drop(replaced);
        }
        self.is_awaited()
    }
}

/// Registers a shield with every race around it. `None` where a cancellation already waits: what
/// has not begun is not begun any more.
pub(crate) fn protect(name: Option<&Text>) -> Option<Arc<Protection>> {
    (!is_cancelling()).then(|| register(Section::Shield(name.cloned())))
}

/// Registers clean-up with every race around it, also where a cancellation already waits.
pub(crate) fn protect_whatever_waits() -> Arc<Protection> {
    register(Section::CleanUp)
}

fn register(section: Section) -> Arc<Protection> {
    let protection = Arc::new(Protection::new(section, is_cancelling()));
    let number = REGISTRATIONS.get() + 1;
    REGISTRATIONS.set(number);
    // On a thread that ends the list may be gone: then it protects from nothing.
    let _ = REGISTERED.try_with(|all| {
        let mut all = all.borrow_mut();
        // Those that have ended nobody asks for any more. Dropping one runs no code of others. Not
        // each time: many at once would look at each other over and over.
        if all.len() == all.capacity() {
            all.retain(|(_, protection)| protection.is_active());
            let room = all.len().max(8);
            all.reserve(room);
        }
        all.push((number, protection.clone()));
    });
    protection
}

/// How many shields have registered on this thread so far.
#[inline]
pub(crate) fn registrations() -> usize {
    REGISTRATIONS.get()
}

/// The shields that have registered since there were `before`.
#[cold]
pub(crate) fn registered_since(before: usize) -> Vec<Arc<Protection>> {
    let since = REGISTERED.try_with(|all| {
        let all = all.borrow();
        let since = &all[all.partition_point(|(number, _)| *number <= before)..];
        let active = since.iter().filter(|(_, protection)| protection.is_active());
        active.map(|(_, protection)| protection.clone()).collect()
    });
    since.unwrap_or_default()
}

/// Whether a race around the code that is polled is about to drop it, so that what follows an await
/// is not to run.
#[inline]
pub(crate) fn is_cancelling() -> bool {
    FRAME.get().has(Frame::CANCELLING)
}

/// Whether the code that is polled is shielded from the operation around it.
pub(crate) fn is_sheltered() -> bool {
    FRAME.get().has(Frame::SHELTERED)
}

/// While it lives, the work of a race is being polled that changes what holds in it.
#[derive(Debug)]
pub(crate) struct InRace {
    outer: Frame,
}

impl InRace {
    /// `cancelling` says that the race only waits for shields to end, `operation` that it is the race
    /// of an operation.
    #[inline]
    pub(crate) fn enter(cancelling: bool, operation: bool) -> Self {
        let outer = FRAME.get();
        let cancelling = if cancelling { Frame::CANCELLING } else { 0 };
        let sheltered = if operation { 0 } else { Frame::SHELTERED };
        FRAME.set(Frame(cancelling | outer.0 & (Frame::CANCELLING | sheltered)));
        InRace { outer }
    }
}

impl Drop for InRace {
    #[inline]
    fn drop(&mut self) {
        FRAME.set(self.outer);
    }
}

/// While it lives, the inside of a shield is being polled: a cancellation further out does not
/// count in there, and shields in there protect from nothing further out.
#[derive(Debug)]
pub(crate) struct InShield {
    outer: Frame,
    before: usize,
}

impl InShield {
    #[inline]
    pub(crate) fn enter() -> Self {
        let outer = FRAME.replace(Frame(Frame::SHELTERED));
        InShield { outer, before: registrations() }
    }
}

impl Drop for InShield {
    #[inline]
    fn drop(&mut self) {
        FRAME.set(self.outer);
        if registrations() != self.before {
            let before = self.before;
            let _ = REGISTERED.try_with(|all| {
                let mut all = all.borrow_mut();
                let known = all.partition_point(|(number, _)| *number <= before);
                all.truncate(known);
            });
        }
    }
}

/// Puts back what was there, also when a poll panics.
struct LimitsOnExit {
    asked: Option<Instant>,
    earliest: Option<Instant>,
}

impl LimitsOnExit {
    #[inline]
    fn enter(asked: Option<Instant>) -> Self {
        LimitsOnExit { asked: ASKED.replace(asked), earliest: EARLIEST.replace(None) }
    }
}

impl Drop for LimitsOnExit {
    #[inline]
    fn drop(&mut self) {
        ASKED.set(self.asked);
        EARLIEST.set(self.earliest);
    }
}

/// When the operation started whose source is being looked at for the first time, and which asks
/// for limits. That is also the moment at which the clocks start there.
#[inline]
pub(crate) fn asked_since() -> Option<Instant> {
    ASKED.get()
}

/// A source tells when its time will be over. Only where it is [asked](asked_since).
#[inline]
pub(crate) fn offer_limit(at: Instant) {
    EARLIEST.set(Some(EARLIEST.get().map_or(at, |earliest| earliest.min(at))));
}

/// Runs `poll`, and tells the earliest limit that was offered within.
#[inline]
pub(crate) fn ask_for_limit<R>(since: Instant, poll: impl FnOnce() -> R) -> (R, Option<Instant>) {
    let outer = LimitsOnExit::enter(Some(since));
    let result = poll();
    let told = EARLIEST.get();
    drop(outer);
    (result, told)
}

/// Runs `poll` and passes on nothing of what is offered within.
pub(crate) fn ignore_limits<R>(poll: impl FnOnce() -> R) -> R {
    let _outer = LimitsOnExit::enter(None);
    poll()
}
