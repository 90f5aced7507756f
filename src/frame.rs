//! The frame of a poll: whether a race around the poll is about to drop its work, whether the poll is inside a shield, and
//! in how many sections it is. A section is the code in a shield, or clean-up.
//!
//! Each thread has a frame. It is only a hint, because a thread may poll other tasks inside the poll of a race: an executor
//! may run there, or a destructor may call `block_on`. Those tasks see the frame too, although they are not part of the work
//! of the race. So a future that would stay pending because of the frame asks its
//! [`DropCheck`](crate::poll_context::DropCheck) first.
//!
//! A race does not change the frame while it drops its work. The work may also run destructors in any ordinary poll, and a
//! destructor may poll a future. So such a future needs the check anyway.

use std::cell::Cell;
use std::time::Instant;

use crate::sync::{AtomicU64, Ordering};

thread_local! {
    static FRAME: Cell<Frame> = const { Cell::new(Frame::OUTSIDE) };

    /// When the protection of the section around this poll ends, if it has a limit.
    static SECTION_END: Cell<Option<Instant>> = const { Cell::new(None) };

    /// The last number given to a race.
    static LAST_RACE: Cell<u64> = const { Cell::new(0) };
}

/// What a poll needs to know about the races around it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Frame {
    /// The number of a race around this poll that is about to drop its work, or 0 if there is none. If there are several,
    /// this is the number of the innermost one. Such a race has been cancelled. It drops its work after this poll, or when
    /// its shields have ended.
    dropping: u64,
    /// Whether a shield is between this poll and the innermost operation around it.
    shielded: bool,
    /// The number of shields and clean-ups around this poll.
    sections: u32,
}

impl Frame {
    const OUTSIDE: Frame = Frame { dropping: 0, shielded: false, sections: 0 };
}

/// Returns a number for a race that is about to drop its work. Numbers are unique across all threads.
pub(crate) fn next_race() -> u64 {
    static BLOCKS: AtomicU64 = AtomicU64::new(1);
    let last = LAST_RACE.get();
    // Each thread takes 2^32 numbers at a time, so threads hardly ever contend for the counter.
    let next = if last as u32 == u32::MAX || last == 0 {
        BLOCKS.fetch_add(1, Ordering::Relaxed) << 32
    } else {
        last + 1
    };
    LAST_RACE.set(next);
    next
}

/// Returns the number of the innermost race around this poll that is about to drop its work, or 0 if there is none.
#[inline]
pub(crate) fn dropping() -> u64 {
    FRAME.get().dropping
}

/// Returns whether a race around this poll is about to drop its work.
#[inline]
pub(crate) fn is_dropping() -> bool {
    dropping() != 0
}

/// Returns whether a shield is between this poll and the innermost operation around it.
#[inline]
pub(crate) fn is_shielded() -> bool {
    FRAME.get().shielded
}

/// Returns the number of shields and clean-ups around this poll.
#[inline]
pub(crate) fn sections() -> u32 {
    FRAME.get().sections
}

/// Returns when the protection of the section around this poll ends, if it has a limit.
pub(crate) fn section_end() -> Option<Instant> {
    SECTION_END.get()
}

/// Guard for a poll of a section whose protection has a limit.
#[cfg(any(feature = "time", feature = "blocking"))]
#[derive(Debug)]
pub(crate) struct InLimitedSection {
    outer: Option<Instant>,
}

#[cfg(any(feature = "time", feature = "blocking"))]
impl InLimitedSection {
    /// Enters the section. Its protection ends at `end`, or when the protection of a section around it ends, if that is
    /// earlier.
    pub(crate) fn enter(end: Option<Instant>) -> Self {
        let outer = SECTION_END.get();
        SECTION_END.set([outer, end].into_iter().flatten().min());
        InLimitedSection { outer }
    }
}

#[cfg(any(feature = "time", feature = "blocking"))]
impl Drop for InLimitedSection {
    fn drop(&mut self) {
        SECTION_END.set(self.outer);
    }
}

/// Changes the frame for as long as this guard lives. Most guards change nothing, and cost only one or two comparisons.
#[derive(Debug)]
struct Changed {
    /// The frame to restore. `None` if this guard has not changed the frame.
    outer: Option<Frame>,
}

impl Changed {
    const NOTHING: Changed = Changed { outer: None };

    #[inline]
    fn to(frame: Frame) -> Self {
        Changed { outer: Some(FRAME.replace(frame)) }
    }
}

impl Drop for Changed {
    #[inline]
    fn drop(&mut self) {
        if let Some(outer) = self.outer {
            FRAME.set(outer);
        }
    }
}

/// Guard for a poll of the work of a race.
#[derive(Debug)]
pub(crate) struct InRace {
    _changed: Changed,
}

impl InRace {
    /// Enters a poll of the work. `dropping` is the number of the race if it is about to drop its work, else 0.
    /// `operation` is true if the race is an operation.
    #[inline]
    pub(crate) fn enter(dropping: u64, operation: bool) -> Self {
        if dropping == 0 && !(operation && is_shielded()) {
            return InRace { _changed: Changed::NOTHING };
        }
        let outer = FRAME.get();
        let dropping = if dropping == 0 { outer.dropping } else { dropping };
        let frame = Frame { dropping, shielded: outer.shielded && !operation, ..outer };
        InRace { _changed: Changed::to(frame) }
    }
}

/// Guard for code that is not part of the work of the races around it: a shielded section, clean-up, or user code such
/// as a hook or a waker.
#[derive(Debug)]
pub(crate) struct OutsideWork {
    _changed: Changed,
}

impl OutsideWork {
    /// Enters a shielded section or clean-up.
    #[inline]
    pub(crate) fn in_shield() -> Self {
        let frame = Frame { dropping: 0, shielded: true, sections: sections() + 1 };
        OutsideWork { _changed: Changed::to(frame) }
    }

    /// Leaves the clean-up around this poll, to poll something that is not part of it. For example, a group polls its
    /// members during its clean-up, but the members are not part of that clean-up.
    #[inline]
    pub(crate) fn out_of_clean_up() -> Self {
        let frame = Frame { sections: sections().saturating_sub(1), ..Frame::OUTSIDE };
        OutsideWork { _changed: Changed::to(frame) }
    }

    /// Enters user code.
    #[inline]
    pub(crate) fn enter() -> Self {
        if !is_dropping() {
            return OutsideWork { _changed: Changed::NOTHING };
        }
        OutsideWork { _changed: Changed::to(Frame { dropping: 0, ..FRAME.get() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_races_differ_on_all_threads() {
        let numbers = || std::thread::spawn(|| [next_race(), next_race()]);
        let mut all: Vec<_> =
            [numbers(), numbers()].into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.extend([next_race(), next_race()]);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
        assert!(!all.contains(&0));
    }

    #[test]
    fn a_frame_is_put_back_by_its_guard() {
        let outer = InRace::enter(7, false);
        {
            let _inner = InRace::enter(0, true);
            assert_eq!(dropping(), 7);
            let _shield = OutsideWork::in_shield();
            assert!(is_shielded() && !is_dropping() && sections() == 1);
            let _race = InRace::enter(8, false);
            assert!(is_shielded() && dropping() == 8);
            let _hook = OutsideWork::enter();
            assert!(!is_dropping());
        }
        assert_eq!(dropping(), 7);
        drop(outer);
        assert!(!is_dropping());
    }
}
