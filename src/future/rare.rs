//! `Rare`: the place for what only some runs have.

use super::extra::Extra;
use crate::operation::Operation;
use crate::sync::Mutex;

/// Holds what only some runs have. The lock is taken by who asks for the operation of a run; polling
/// needs none. To drop what is not there takes no call.
#[derive(Default)]
pub(crate) struct Rare {
    extra: Mutex<Option<Box<Extra>>>,
}

impl Rare {
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut Option<Box<Extra>> {
        self.extra.get_mut()
    }

    /// Returns the operation, if the run is one.
    pub(crate) fn operation(&self) -> Option<Operation> {
        self.extra.lock().as_deref()?.operation().cloned()
    }

    /// Returns a handle of the operation; from here on it is one. `begun` says that the work has been
    /// polled.
    pub(crate) fn handle(&self, begun: bool) -> Operation {
        let mut extra = self.extra.lock();
        let extra = extra.get_or_insert_default();
        let operation = extra.make_operation().clone();
        if begun {
            extra.start_late();
        }
        operation
    }
}

impl Drop for Rare {
    #[inline]
    fn drop(&mut self) {
        if let Some(extra) = self.extra.get_mut().take() {
            discard(extra);
        }
    }
}

#[cold]
#[inline(never)]
fn discard(extra: Box<Extra>) {
    drop(extra);
}
