//! The probe: the waker for a poll that only asks whether a source has fired.

use std::sync::{Arc, LazyLock};
use std::task::{Wake, Waker};

struct Probe;

impl Wake for Probe {
    fn wake(self: Arc<Self>) {}
}

// Not `Waker::noop()`: two no-op wakers compare equal in some builds and not in others.
static PROBE: LazyLock<Waker> = LazyLock::new(|| Waker::from(Arc::new(Probe)));

/// Returns the waker for the first poll of a source.
///
/// When a source of this crate is polled with the probe, it starts its clock, and resolves if it has fired, but it registers
/// no waker. Most work is ready at its first poll, so a registration would be undone at once.
///
/// To any other future, the probe is an ordinary waker. The race polls that future again with the task's waker
/// before the task goes to sleep, so no wake-up is lost.
#[inline]
pub(crate) fn probe() -> &'static Waker {
    &PROBE
}

/// Returns true if `waker` is the probe.
#[inline]
pub(crate) fn is_probe(waker: &Waker) -> bool {
    waker.will_wake(probe())
}
