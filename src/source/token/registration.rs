//! `Registration`: a callback of a token, taken back when this is dropped.

use std::fmt;
use std::sync::{Arc, Weak};

use super::node::Node;
use super::relations::Callback;

/// A callback that a [token](super::CancellationToken::on_cancel) has.
///
/// Dropping it takes the callback back, if it has not begun to run. It does not wait for one that
/// runs on another thread. It does not keep the token alive.
///
/// # Examples
///
/// ```
/// let token = cancelable::CancellationToken::new();
/// let registration = token.on_cancel(|_| panic!("was taken back"));
/// drop(registration);
/// assert!(token.cancel());
/// ```
#[must_use = "dropping it takes the callback back: keep it, or call `detach`"]
pub struct Registration {
    /// `None` where there is nothing to take back.
    callback: Option<(Weak<Node>, u64)>,
}

impl Registration {
    pub(super) fn new(node: &Arc<Node>, callback: Callback) -> Self {
        let number = node.add_callback(callback);
        Registration { callback: number.map(|number| (Arc::downgrade(node), number)) }
    }

    /// Leaves the callback where it is, for as long as the token lives.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    ///
    /// let token = cancelable::CancellationToken::new();
    /// let (sender, receiver) = channel();
    /// token.on_cancel(move |_| sender.send(()).unwrap()).detach();
    /// token.cancel();
    /// receiver.recv()?;
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
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
