//! `Slot`: a moment that many limits share, and its alarm.

#[cfg(feature = "testing")]
mod by_hand;

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use super::alarm::Alarm;
use crate::sync::Mutex;
use crate::wait::{Latch, Latched};

/// Where slots are kept until they fire.
pub(super) trait Home: Send + Sync {
    /// Lets go of a slot that fires.
    fn forget(&self, tick: u64);
}

pub(super) struct Slot {
    /// By what its home knows it.
    tick: u64,
    /// When it fires.
    end: Instant,
    home: Weak<dyn Home>,
    /// Set when the moment has come. Those who wait for it are in its list.
    latch: Latch<()>,
    /// Gone once it has rung, which also ends the cycle slot, alarm, waker, slot.
    alarm: Mutex<Option<Alarm>>,
}

impl Slot {
    /// A slot that ends `at`. Its alarm is not set yet.
    pub(super) fn new(tick: u64, at: Instant, home: Weak<dyn Home>) -> Arc<Slot> {
        let alarm = Mutex::new(Some(Alarm::new(at)));
        Arc::new(Slot { tick, end: at, home, latch: Latch::new(), alarm })
    }

    /// Sets its alarm, or fires at once if the moment has come. Whoever makes a slot does this once,
    /// holding no lock.
    pub(super) fn set_alarm(self: &Arc<Self>) {
        // Where the reactor cannot be made, this panics, and nobody is to find the slot any more.
        let panics = ForgetOnPanic(self);
        self.ring();
        std::mem::forget(panics);
    }

    /// Fires if the moment has come.
    fn ring(self: &Arc<Self>) {
        if self.is_due() {
            // Out of its home first: whoever comes from here on makes a slot of their own, which is
            // due at once. Whoever had found this one registers with a latch that is set, and is
            // told.
            self.leave();
            if let Some(waiters) = self.latch.set(()) {
                waiters.wake_all();
            }
        }
    }

    fn leave(&self) {
        if let Some(home) = self.home.upgrade() {
            home.forget(self.tick);
        }
    }

    /// Asks the alarm whether the moment has come. If not, it wakes this slot when it has.
    fn is_due(self: &Arc<Self>) -> bool {
        let waker = Waker::from(self.clone());
        let mut alarm = self.alarm.lock();
        let rung = match &mut *alarm {
            Some(alarm) => alarm.poll(&mut Context::from_waker(&waker)),
            // It has rung before.
            None => return false,
        };
        if rung.is_pending() {
            return false;
        }
        let spent = alarm.take();
        drop(alarm);
        drop(spent);
        true
    }

    /// When it fires.
    pub(super) fn end(&self) -> Instant {
        self.end
    }
}

struct ForgetOnPanic<'a>(&'a Slot);

impl Drop for ForgetOnPanic<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The reactor does this when the moment has come.
impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl Latched for Slot {
    type Value = ();
    type More = ();

    #[inline]
    fn latch(&self) -> &Latch<()> {
        &self.latch
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("tick", &self.tick).finish_non_exhaustive()
    }
}
