//! The floor: a contestant that takes only the steps that no timeout or token can avoid.

use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use parking_lot::Mutex;

use crate::contestant::{Contestant, contestant};

/// The name of the floor in each row.
pub(crate) const FLOOR: &str = "floor";

/// The largest number of limits in a row.
const MOST: usize = 3;

/// Takes the steps around some work. If one of the limits is a timeout, reads the clock once. For each limit, clones the waker
/// and drops the clone at the end, and acquires a lock twice, to register and to leave.
struct Floor<W> {
    work: W,
    clock: bool,
    locks: &'static [Mutex<u32>],
    wakers: [Option<Waker>; MOST],
}

impl<W: Future + Unpin> Future for Floor<W> {
    type Output = W::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let Floor { work, clock, locks, wakers } = &mut *self;
        let polled = Pin::new(work).poll(cx);
        if polled.is_ready() {
            locks.iter().for_each(|lock| *lock.lock() -= 1);
        } else if wakers[0].is_none() {
            if *clock {
                black_box(Instant::now());
            }
            for (lock, waker) in locks.iter().zip(wakers) {
                *waker = Some(cx.waker().clone());
                *lock.lock() += 1;
            }
        }
        polled
    }
}

/// Returns the floor for work that is pending at least once, under `sources` limits. `clock` says whether one of the limits is
/// a timeout.
pub(crate) fn floor(clock: bool, sources: usize) -> Contestant {
    static LOCKS: [Mutex<u32>; MOST] = [const { Mutex::new(0) }; MOST];
    let locks = &LOCKS[..sources];
    contestant!(
        FLOOR,
        |work| Floor { work, clock, locks, wakers: [const { None }; MOST] },
        |value: &u32| Some(*value)
    )
}
