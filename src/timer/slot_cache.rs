//! The slots that this thread found last: the next limit of the same length mostly belongs to the
//! same slot.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::slot::Slot;
use super::wheel::Wheel;
use crate::wait::HasLatch;

/// So many lengths are remembered: a power of two.
const LENGTHS: usize = 4;

/// What a thread remembers of a length.
struct Last {
    length: Duration,
    /// `None` as long as the length was seen once: where no two are alike, there is nothing to keep.
    found: Option<Found>,
}

/// Limits that began between these moments, both included, end in the slot.
struct Found {
    from: Instant,
    until: Instant,
    slot: Arc<Slot>,
}

thread_local! {
    static LAST: RefCell<[Option<Last>; LENGTHS]> = const { RefCell::new([const { None }; LENGTHS]) };
}

fn place(length: Duration) -> usize {
    // The golden ratio spreads what people write: round numbers.
    let bits = length.as_secs() as u32 ^ length.subsec_nanos();
    (bits.wrapping_mul(0x9e37_79b9) >> (u32::BITS - LENGTHS.ilog2())) as usize
}

/// As [`Wheel::slot`] of the shared wheel, with neither lock nor look-up where the answer is that
/// of the last time. A slot that has fired is not an answer.
#[inline]
pub(super) fn slot(since: Instant, length: Duration) -> Option<Arc<Slot>> {
    let known = LAST.try_with(|last| {
        let last = last.borrow();
        let last = last[place(length)].as_ref().filter(|last| last.length == length)?;
        let found = last.found.as_ref()?;
        let fits = found.from <= since && since <= found.until && !found.slot.latch().is_set();
        fits.then(|| found.slot.clone())
    });
    match known {
        Ok(Some(slot)) => Some(slot),
        _ => find(since, length),
    }
}

#[inline(never)]
fn find(since: Instant, length: Duration) -> Option<Arc<Slot>> {
    let slot = Wheel::shared().slot(since, length)?;
    if let Some(until) = slot.end().checked_sub(length) {
        // A thread that ends remembers nothing.
        let before = LAST.try_with(|last| {
            let last = &mut last.borrow_mut()[place(length)];
            let again = last.as_ref().is_some_and(|last| last.length == length);
            let found = again.then(|| Found { from: since, until, slot: slot.clone() });
            last.replace(Last { length, found })
        });
        // Dropped outside of the cell: wakers of others may go with it.
        drop(before);
    }
    Some(slot)
}
