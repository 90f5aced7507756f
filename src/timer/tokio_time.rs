//! The limits of a thread that follows tokio's clock.
//!
//! Each limit has its own slot and its own tokio timer. No task polls the timer after it is set: tokio wakes the timer's
//! waker, and the waker fires the slot. Because the timers belong to tokio, its auto-advance takes the limits of this
//! crate into account.

use std::cell::Cell;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep_until};

use super::test_slot::{TestClock, TestSlot};
use super::virtual_time::hand_over;
use crate::clock;

/// The timer that fires a slot.
pub(super) type Timer = Pin<Box<Sleep>>;

thread_local! {
    /// Whether this thread has been warned that its limits do not follow a paused clock.
    static WARNED: Cell<bool> = const { Cell::new(false) };
}

/// Returns the clock that a limit follows: tokio's clock if this thread follows it, and otherwise real time. The limit began
/// at `since` and has this length.
pub(super) fn clock_of(since: Instant, length: Duration) -> TestClock {
    if clock::follows() {
        TestClock::follow(slot(since, length))
    } else {
        warn_if_paused(length);
        TestClock::Real
    }
}

/// Returns a slot that tokio's clock fires. Returns `None` if its end overflows the clock.
fn slot(since: Instant, length: Duration) -> Option<Arc<TestSlot>> {
    // As in real time, the limit never fires if its length in nanoseconds does not fit into 64 bits.
    u64::try_from(length.as_nanos()).ok()?;
    let slot = TestSlot::new(since.checked_add(length)?);
    let mut timer = Box::pin(sleep_until(slot.end().into()));
    let waker = Waker::from(Arc::new(Ring(Arc::downgrade(&slot))));
    if timer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
        slot.fire();
    } else {
        // The timer cannot have been set before, because no other code knows the slot yet.
        let _ = slot.timer.set(timer);
    }
    Some(slot)
}

/// The waker of a timer. It does not own the slot, because the slot owns the timer and with it the waker.
struct Ring(Weak<TestSlot>);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        let Some(slot) = self.0.upgrade() else { return };
        let now = tokio::time::Instant::now().into_std();
        let left = slot.end().saturating_duration_since(now);
        if left.is_zero() {
            slot.fire();
        } else {
            // The timer is early, because a runtime that shuts down wakes all timers. The rest of the limit passes in
            // real time.
            hand_over(slot, clock::real(), left);
        }
    }
}

/// Warns, once for each thread, if a limit of real time starts while tokio's clock is paused.
///
/// Writes to stderr directly. The test harness would hide the output of `eprintln!` if the test passed, but the test may
/// have passed for the wrong reason.
fn warn_if_paused(length: Duration) {
    if WARNED.get() || !clock::is_tokio_paused() {
        return;
    }
    WARNED.set(true);
    let thread = thread::current();
    let name = thread.name().unwrap_or("a thread");
    // If stderr is closed, there is no other place for the warning.
    let _ = writeln!(
        io::stderr(),
        "warning: {name}: tokio's clock is paused, but a limit of {length:?} follows real time; \
         call `cancelable::testing::follow_tokio_clock()` at the start of the test"
    );
}
