//! The probe: the waker for a poll that only asks whether a source has fired.

use std::ptr;
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

/// Returns true if `waker` is the probe itself. A clone of the probe is an ordinary waker.
///
/// The probe is recognised by its address, because it lies within the static `PROBE`. The contents of the two wakers are not
/// compared. If the poll with the probe is inlined, the compiler knows the answer.
#[inline]
pub(crate) fn is_probe(waker: &Waker) -> bool {
    let offset = ptr::from_ref(waker).addr().wrapping_sub(ptr::from_ref(&PROBE).addr());
    offset < size_of_val(&PROBE)
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_probe_is_recognised() {
        assert!(is_probe(probe()));
        assert!(!is_probe(&probe().clone()));
        assert!(!is_probe(Waker::noop()));
    }
}
