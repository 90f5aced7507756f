//! `Listener`: the hints that wait for one connection.

use std::mem;

use parking_lot::Mutex;

use crate::signal::Signal;

#[derive(Debug, Default)]
pub(super) struct Listener {
    has_hint: Mutex<bool>,
    signal: Signal,
}

impl Listener {
    /// Leaves a hint. The caller holds no lock.
    pub(super) fn notify(&self) {
        *self.has_hint.lock() = true;
        self.signal.notify();
    }

    /// Waits for a hint and takes it.
    pub(super) async fn take(&self) {
        loop {
            let next = self.signal.next();
            if mem::take(&mut *self.has_hint.lock()) {
                return;
            }
            next.cancelled().await;
        }
    }
}
