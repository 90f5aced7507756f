//! `Registration`: unregisters a callback of a token when it is dropped.

use std::fmt;
use std::sync::{Arc, Weak};

use super::node::{Callback, Node};

/// A registered callback of a token, returned by
/// [`on_cancel`](super::CancellationToken::on_cancel).
///
/// Dropping it unregisters the callback, unless the callback has begun to run. The drop does not wait
/// for a callback that is running on another thread. A registration does not keep the token alive.
///
/// # Examples
///
/// ```
/// let token = cancelable::CancellationToken::new();
/// let registration = token.on_cancel(|_| panic!("was unregistered"));
/// drop(registration);
/// assert!(token.cancel());
/// ```
#[must_use = "dropping it unregisters the callback: keep it, or call `detach`"]
pub struct Registration {
    /// `None` if there is nothing to unregister.
    callback: Option<(Weak<Node>, u64)>,
}

impl Registration {
    pub(super) fn new(node: &Arc<Node>, callback: Callback) -> Self {
        let number = node.add_callback(callback);
        Registration { callback: number.map(|number| (Arc::downgrade(node), number)) }
    }

    /// Keeps the callback registered for as long as the token lives.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    ///
    /// let token = cancelable::CancellationToken::new();
    /// let (sender, receiver) = channel();
    /// token.on_cancel(move |_| sender.send(7).unwrap()).detach();
    /// token.cancel();
    /// assert_eq!(receiver.recv(), Ok(7));
    /// ```
    pub fn detach(mut self) {
        self.callback = None;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some((node, number)) = self.callback.take() {
            if let Some(node) = node.upgrade() {
                node.remove_callback(number);
            }
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("registered", &self.callback.is_some()).finish()
    }
}
