//! `Signal`: wakes every future that waits for it.

use std::mem;

use cancelable::CancellationToken;
use parking_lot::Mutex;

/// The token of the current round. A notification cancels the token, and a new round begins with a new token.
///
/// A waiter takes the token, then looks at the state that it waits for, and then waits for the token. The state is always
/// changed before the notification. So the waiter either sees the change, or holds the token that the notification cancels.
///
/// If a waker panics, the token keeps the panic from the caller of [`notify`](Self::notify).
#[derive(Debug, Default)]
pub(crate) struct Signal(Mutex<CancellationToken>);

impl Signal {
    /// Returns the token that the next notification cancels.
    pub(crate) fn next(&self) -> CancellationToken {
        self.0.lock().clone()
    }

    /// Wakes the waiters. The caller holds no lock.
    pub(crate) fn notify(&self) {
        let round = mem::take(&mut *self.0.lock());
        round.cancel();
    }
}
