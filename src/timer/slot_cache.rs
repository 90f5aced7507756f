//! A cache of the slots that a thread has found most recently. The next limit of the same length usually ends in the same
//! slot.

use std::cell::Cell;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::wheel::{Entry, NEVER, SlotId, Wheel};

/// The number of lengths that a thread remembers: a power of two.
const LENGTHS: usize = 4;

/// The slot of the latest limit of one length.
#[derive(Clone, Copy)]
struct Found {
    length: Duration,
    /// A limit of this length that starts between `from` and `until` ends in the slot.
    from: Instant,
    until: Instant,
    slot: SlotId,
}

thread_local! {
    /// The last lengths that were not in `FOUND`. A slot is remembered when a second limit has its length, so limits that all
    /// have different lengths cost little here.
    static SEEN: [Cell<Duration>; LENGTHS] =
        const { [const { Cell::new(Duration::ZERO) }; LENGTHS] };

    static FOUND: [Cell<Option<Found>>; LENGTHS] = const { [const { Cell::new(None) }; LENGTHS] };

    /// The last result of [`Wheel::due`] on this thread, and the same time as an instant. The instant can be compared at low
    /// cost. Converting an instant to the time since the epoch, as `due` counts it, would take 55 instructions.
    static DUE: Cell<(u64, Option<Instant>)> = const { Cell::new((NEVER, None)) };
}

fn cache_index(length: Duration) -> usize {
    // Most lengths are round numbers. A multiplication by the golden ratio spreads them over the cache.
    let bits = length.as_secs() as u32 ^ length.subsec_nanos();
    (bits.wrapping_mul(0x9e37_79b9) >> (u32::BITS - LENGTHS.ilog2())) as usize
}

/// Puts a waker into the slot for a limit of this length that began at `since`. Returns `None` if the end of the limit
/// overflows the clock: such a limit never fires. If the cache has the slot, this takes no lookup. Also fires other slots that
/// are due by `since`, which is usually a new reading of the clock.
///
/// # Panics
///
/// Panics if the reactor cannot be created.
#[inline]
pub(super) fn enter(since: Instant, length: Duration, waker: Waker) -> Option<Entry> {
    let wheel = Wheel::shared();
    let index = cache_index(length);
    let found = FOUND
        .with(|found| found[index].get())
        .filter(|found| found.length == length && found.from <= since && since <= found.until);
    let entry = match found {
        Some(found) => wheel.enter_again(found.slot, waker),
        None => find(since, length, waker)?,
    };
    // The wheel's `due` is a relaxed load and may be out of date. In that case, a later call or the alarm fires the slots.
    let (due, at) = DUE.get();
    if wheel.due() != due || at.is_some_and(|at| at <= since) {
        drive(wheel, since);
    }
    Some(entry)
}

#[inline(never)]
fn drive(wheel: &Wheel, now: Instant) {
    let due = wheel.due();
    DUE.set((due, wheel.moment(due)));
    wheel.drive(now);
}

#[inline(never)]
fn find(since: Instant, length: Duration, waker: Waker) -> Option<Entry> {
    let wheel = Wheel::shared();
    let tick = wheel.end_tick(since, length)?;
    let entry = wheel.enter(tick, waker);
    if wheel.has_fired(tick) {
        // The limit has passed, so there may be no slot to remember.
        return Some(entry);
    }
    let index = cache_index(length);
    if SEEN.with(|seen| seen[index].replace(length)) == length {
        let end = wheel.end(tick);
        let until = end.and_then(|end| end.checked_sub(length));
        let slot = entry.slot();
        let found = until.map(|until| Found { length, from: since, until, slot });
        FOUND.with(|cache| cache[index].set(found));
    }
    Some(entry)
}
