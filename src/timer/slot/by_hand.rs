//! A slot without an alarm: virtual time fires it.

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::Slot;
use crate::sync::Mutex;
use crate::timer::alarm::Alarm;
use crate::timer::wheel::Wheel;
use crate::wait::Latch;

impl Slot {
    /// A slot that ends `at`, to the nanosecond. It is in no wheel.
    pub(in crate::timer) fn by_hand(at: Instant) -> Arc<Slot> {
        let home = Weak::<Wheel>::new();
        Arc::new(Slot { tick: 0, end: at, home, latch: Latch::new(), alarm: Mutex::new(None) })
    }

    /// Its moment has come. Whoever calls this holds no lock, and has nothing borrowed.
    pub(in crate::timer) fn fire(&self) {
        if let Some(waiters) = self.latch.set(()) {
            waiters.wake_all();
        }
    }

    /// Lets the reactor fire it from here on, at that moment.
    pub(in crate::timer) fn hand_over(self: &Arc<Self>, at: Instant) {
        *self.alarm.lock() = Some(Alarm::new(at));
        self.set_alarm();
    }
}
