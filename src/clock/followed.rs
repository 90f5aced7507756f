//! tokio's clock, for threads that follow it.

use std::cell::Cell;
use std::hint::spin_loop;
use std::time::Instant;

use tokio::runtime::Handle;

use super::real;

thread_local! {
    /// The number of guards that make this thread follow tokio's clock.
    static FOLLOWERS: Cell<usize> = const { Cell::new(0) };
}

/// Makes this thread follow tokio's clock until [`unfollow`] has been called as often as this function.
pub(crate) fn follow() {
    FOLLOWERS.set(FOLLOWERS.get() + 1);
}

pub(crate) fn unfollow() {
    FOLLOWERS.set(FOLLOWERS.get() - 1);
}

/// Returns whether this thread follows tokio's clock now. Outside of a runtime there is no such clock.
pub(crate) fn follows() -> bool {
    FOLLOWERS.get() > 0 && is_in_runtime()
}

fn is_in_runtime() -> bool {
    Handle::try_current().is_ok()
}

/// Returns the time of tokio's clock if this thread follows it, otherwise the time of the machine.
pub(super) fn now() -> Instant {
    if follows() { tokio::time::Instant::now().into_std() } else { real() }
}

/// Returns whether the clock of the current tokio runtime is paused.
///
/// tokio has no function for this. So this function waits until the machine's clock has moved, which takes some 50 ns on
/// Linux, and checks whether tokio's clock still shows the same time.
pub(crate) fn is_tokio_paused() -> bool {
    if !is_in_runtime() {
        return false;
    }
    let shown = tokio::time::Instant::now();
    let before = real();
    while real() <= before {
        spin_loop();
    }
    tokio::time::Instant::now() == shown
}
