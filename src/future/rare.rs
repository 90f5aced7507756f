//! `Rare`: the place for what only some runs have.

use super::extra::Extra;
use crate::operation::Operation;
use crate::panic::contain;
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

    /// The operation, if it is one. `over` says that all has ended.
    pub(crate) fn shown(&self, over: bool) -> Option<Operation> {
        let rare = self.extra.lock();
        let extra = rare.as_deref()?;
        if over {
            extra.tell_end();
        }
        extra.operation().cloned()
    }

    /// A handle of the operation; from here on it is one. `begun` says that the work has been polled,
    /// `over` that all has ended.
    pub(crate) fn handle(&self, begun: bool, over: bool) -> Operation {
        let mut rare = self.extra.lock();
        let extra = rare.get_or_insert_default();
        let operation = extra.make_operation().clone();
        if begun {
            extra.start_late();
        }
        if over {
            extra.tell_end();
        }
        let waker = extra.take_waker();
        drop(rare);
        if let Some(waker) = waker {
            // Its panic has been printed, and is not that of who asks for a handle.
            let _ = contain(|| waker.wake());
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
