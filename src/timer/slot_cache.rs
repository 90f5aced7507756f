//! A cache of the slots that a thread has found most recently. The next limit of the same length usually ends in the same
//! slot.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::slot::Slot;
use super::wheel::{NEVER, Wheel};
use crate::wait::HasLatch;

/// The number of lengths that a thread remembers: a power of two.
const LENGTHS: usize = 4;

struct CachedLength {
    length: Duration,
    /// `None` until a second limit has this length. So a thread whose limits all have different lengths keeps no slot.
    found: Option<Found>,
}

/// A slot for limits of one length. A limit that starts between `from` and `until` ends in the slot.
struct Found {
    from: Instant,
    until: Instant,
    slot: Arc<Slot>,
}

thread_local! {
    static CACHE: RefCell<[Option<CachedLength>; LENGTHS]> =
        const { RefCell::new([const { None }; LENGTHS]) };

    /// The last result of [`Wheel::due`] on this thread, and the same time as an instant. The instant can be compared at low
    /// cost. Converting an instant to the time since the epoch, as `due` counts it, would take 55 instructions.
    static DUE: Cell<(u64, Option<Instant>)> = const { Cell::new((NEVER, None)) };
}

fn cache_index(length: Duration) -> usize {
    // Most lengths are round numbers. A multiplication by the golden ratio spreads them over the cache.
    let bits = length.as_secs() as u32 ^ length.subsec_nanos();
    (bits.wrapping_mul(0x9e37_79b9) >> (u32::BITS - LENGTHS.ilog2())) as usize
}

/// Returns the slot for a limit of this length that began at `since`, as [`Wheel::slot`] does. Takes no lock if the cache
/// has the slot. Also fires other slots that are due by `since`, which is usually a new reading of the clock.
#[inline]
pub(super) fn slot(since: Instant, length: Duration) -> Option<Arc<Slot>> {
    let cached = CACHE.try_with(|cache| {
        let cache = cache.borrow();
        let cached =
            cache[cache_index(length)].as_ref().filter(|cached| cached.length == length)?;
        let found = cached.found.as_ref()?;
        let fits = found.from <= since && since <= found.until && !found.slot.latch().is_set();
        fits.then(|| found.slot.clone())
    });
    let slot = match cached {
        Ok(Some(slot)) => slot,
        _ => find(since, length)?,
    };
    let wheel = Wheel::shared();
    // The wheel's `due` is a relaxed load and may be out of date. In that case, a later call or the alarm fires the slots.
    let (due, at) = DUE.get();
    if wheel.due() != due || at.is_some_and(|at| at <= since) {
        drive(wheel, since);
    }
    Some(slot)
}

#[inline(never)]
fn drive(wheel: &Wheel, now: Instant) {
    let due = wheel.due();
    DUE.set((due, wheel.moment(due)));
    wheel.drive(now);
}

#[inline(never)]
fn find(since: Instant, length: Duration) -> Option<Arc<Slot>> {
    let slot = Wheel::shared().slot(since, length)?;
    // A thread that is ending no longer has a cache.
    let replaced = CACHE.try_with(|cache| {
        let cached = &mut cache.borrow_mut()[cache_index(length)];
        let again = cached.as_ref().is_some_and(|cached| cached.length == length);
        // The slot's end is read only if the slot is kept: for a single limit it would be one more cache miss.
        let until = if again { slot.end().checked_sub(length) } else { None };
        let found = until.map(|until| Found { from: since, until, slot: slot.clone() });
        cached.replace(CachedLength { length, found })
    });
    // This may run the destructors of user wakers, which may use the cache. So it is dropped after the borrow of the cache.
    drop(replaced);
    Some(slot)
}
