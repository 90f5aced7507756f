//! `CancellationToken`: a handle with which any task or thread can cancel others.
//!
//! * [`node`]: the state of a token, shared by its handles, and its parents and children.
//! * [`wait`], [`callback`]: tasks and callbacks that listen to a token.
//! * [`guard`]: cancels a token when dropped.

mod callback;
mod guard;
mod node;
mod wait;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

pub use callback::{Registration, Unregister};
pub use guard::DropGuard;
#[cfg(feature = "testing")]
pub(crate) use node::CancelCounts;
pub(crate) use node::CancelObserver;
pub use wait::{WaitForCancellation, WaitForCancellationOwned};

use crate::error::Cancelled;
use crate::reason::Reason;
use crate::text::Text;
use crate::wait::{blocking_wait, blocking_wait_timeout};
use node::Node;

/// Cancels everything that listens to it, from any task or thread.
///
/// Clones are handles to the same token, and compare equal. The first cancellation wins: its reason
/// stays, and later ones change nothing.
///
/// A token is a source: pass `token` or `&token` wherever a source is expected. You can also await it
/// ([`cancelled`](Self::cancelled)), register callbacks ([`on_cancel`](Self::on_cancel)), block a thread
/// ([`blocking_wait`](Self::blocking_wait)), and make other tokens depend on it ([`child_token`](Self::child_token),
/// [`linked`](Self::linked)). Dropping a wait, a registration or a dependent token leaves nothing behind in this token.
///
/// # Order of a cancellation
///
/// A call to [`cancel`](Self::cancel) marks the token and its descendants as cancelled, then wakes the
/// waiters, then runs the callbacks, and then returns. Wakers and callbacks run with no lock held. Another
/// thread may see that a token is cancelled a moment before its descendants are.
///
/// Dropping all handles of a token does not cancel it: waiters then wait forever, and callbacks are
/// dropped without having run. Use a [`drop_guard`](Self::drop_guard) to cancel on drop.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// let remote = token.clone();
/// std::thread::spawn(move || remote.cancel_with("enough"));
///
/// let work = std::future::pending::<()>();
/// let cancelled = work.cancelable(&token).await.unwrap_err();
/// assert_eq!(cancelled.reason(), &Reason::manual("enough"));
/// # });
/// ```
#[doc(alias = "CancelationToken")]
#[derive(Clone)]
pub struct CancellationToken {
    node: Arc<Node>,
}

impl CancellationToken {
    /// Creates a token that is not cancelled.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// assert!(!CancellationToken::new().is_cancelled());
    /// ```
    pub fn new() -> Self {
        CancellationToken { node: Node::new() }
    }

    /// Creates a token that is cancelled as soon as one of `tokens` is, with the same reason.
    ///
    /// Cancelling the new token does not affect `tokens`. If several of them are cancelled already, the
    /// first in the list gives the reason. With no tokens, this is the same as [`new`](Self::new).
    ///
    /// ```
    /// use cancelable::{CancellationToken, Reason};
    ///
    /// let (shutdown, request) = (CancellationToken::new(), CancellationToken::new());
    /// let either = CancellationToken::linked([&shutdown, &request]);
    /// request.cancel_with("client hung up");
    /// assert_eq!(either.reason(), Some(Reason::manual("client hung up")));
    /// assert!(!shutdown.is_cancelled());
    /// ```
    #[must_use]
    pub fn linked<'a>(tokens: impl IntoIterator<Item = &'a CancellationToken>) -> Self {
        // The iterator is user code, so it runs to its end before the first link is made.
        let tokens: Vec<_> = tokens.into_iter().map(|token| token.node.clone()).collect();
        CancellationToken { node: Node::linked(tokens) }
    }

    /// Creates a token that is cancelled with this one, with the reason [`Reason::Parent`].
    ///
    /// Cancelling the child does not affect its parent. A child of a cancelled token is cancelled from
    /// the start. A dropped child leaves nothing behind in its parent, and a child keeps its ancestors
    /// alive.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Reason};
    ///
    /// let parent = CancellationToken::new();
    /// let (first, second) = (parent.child_token(), parent.child_token());
    ///
    /// first.cancel();
    /// assert!(!parent.is_cancelled() && !second.is_cancelled());
    ///
    /// parent.cancel_with("closing");
    /// assert_eq!(second.reason(), Some(Reason::parent(Reason::manual("closing"))));
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        CancellationToken { node: Node::child(self.node.clone()) }
    }

    /// Cancels the token with the reason [`Reason::Manual`], without a message.
    ///
    /// Returns `false`, and changes nothing, if the token was already cancelled.
    ///
    /// ```
    /// let token = cancelable::CancellationToken::new();
    /// assert!(token.cancel());
    /// assert!(!token.cancel());
    /// ```
    pub fn cancel(&self) -> bool {
        self.cancel_with(Reason::Manual { message: None })
    }

    /// Cancels the token with this reason. A string becomes a [`Reason::Manual`] with that message.
    ///
    /// Returns `false`, and changes nothing, if the token was already cancelled.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Reason};
    /// let token = CancellationToken::new();
    /// assert!(token.cancel_with("first"));
    /// assert!(!token.cancel_with(Reason::Disconnected));
    /// assert_eq!(token.reason(), Some(Reason::manual("first")));
    /// ```
    pub fn cancel_with(&self, reason: impl Into<Reason>) -> bool {
        self.cancel_until(reason.into(), None)
    }

    /// Returns whether the token is cancelled.
    ///
    /// Lock-free, except the first time a child token observes that its parent was cancelled.
    ///
    /// ```
    /// let token = cancelable::CancellationToken::new();
    /// token.cancel();
    /// assert!(token.is_cancelled());
    /// ```
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Returns the reason for the cancellation, or `None` if the token is not cancelled.
    ///
    /// Lock-free, with the same exception as [`is_cancelled`](Self::is_cancelled). The first call on a
    /// child of a cancelled token may also take a lock, to build the reason that all children share.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Reason};
    /// let token = CancellationToken::new();
    /// assert_eq!(token.reason(), None);
    /// token.cancel();
    /// assert_eq!(token.reason(), Some(Reason::Manual { message: None }));
    /// ```
    pub fn reason(&self) -> Option<Reason> {
        self.node.reason().cloned()
    }

    /// Returns an error if the token is cancelled. Use it with `?` between the steps of work that does
    /// not await.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], with the token's reason, if the token is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{CancellationToken, Cancelled};
    ///
    /// fn sum(numbers: &[u64], token: &CancellationToken) -> Result<u64, Cancelled> {
    ///     let mut sum = 0;
    ///     for number in numbers {
    ///         token.check()?;
    ///         sum += number;
    ///     }
    ///     Ok(sum)
    /// }
    ///
    /// let token = CancellationToken::new();
    /// assert_eq!(sum(&[1, 2], &token)?, 3);
    /// token.cancel();
    /// assert!(sum(&[1, 2], &token).is_err());
    /// # Ok::<(), Cancelled>(())
    /// ```
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.node.reason() {
            None => Ok(()),
            Some(reason) => Err(reason.clone().into()),
        }
    }

    /// Waits until the token is cancelled and returns the reason.
    ///
    /// `&token` converts into this future when it is used as a source.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a new future returns the same reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # smol::block_on(async {
    /// let token = cancelable::CancellationToken::new();
    /// token.cancel_with("done");
    /// assert_eq!(token.cancelled().await.to_string(), "cancelled: done");
    /// # });
    /// ```
    #[inline]
    pub fn cancelled(&self) -> WaitForCancellation<'_> {
        self.node.register_with_parents();
        WaitForCancellation::new(&self.node)
    }

    /// Same as [`cancelled`](Self::cancelled), but owns the token, so that the future can be spawned.
    ///
    /// # Cancel safety
    ///
    /// As for [`cancelled`](Self::cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// # smol::block_on(async {
    /// let token = cancelable::CancellationToken::new();
    /// let waiting = smol::spawn(token.clone().cancelled_owned());
    /// token.cancel_with("done");
    /// assert_eq!(waiting.await.to_string(), "cancelled: done");
    /// # });
    /// ```
    #[inline]
    pub fn cancelled_owned(self) -> WaitForCancellationOwned {
        self.node.register_with_parents();
        WaitForCancellationOwned::new(self.node)
    }

    /// Registers a callback that runs once, when the token is cancelled. If the token is already cancelled, the callback
    /// runs inside this call.
    ///
    /// Callbacks run on the thread that cancels, with no lock held, in the order of registration. If a callback panics, the
    /// panic hook prints the panic, which affects neither the other callbacks nor the caller of `cancel`.
    ///
    /// Dropping the [`Registration`] unregisters the callback, unless it has begun to run. The drop does not wait for a
    /// callback that is running on another thread. If a callback owns a handle of its own token and was
    /// [detached](Registration::detach), the token and the callback keep each other alive until the token is cancelled.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    ///
    /// let token = cancelable::CancellationToken::new();
    /// let (sender, receiver) = channel();
    /// let registration = token.on_cancel(move |reason| sender.send(reason.to_string()).unwrap());
    /// token.cancel_with("stop");
    /// assert_eq!(receiver.recv()?, "cancelled: stop");
    /// # drop(registration);
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn on_cancel(&self, callback: impl FnOnce(&Reason) + Send + 'static) -> Registration {
        Registration::new(&self.node, callback)
    }

    /// Registers a callback that is never unregistered. Without a handle, this takes one allocation instead of two.
    pub(crate) fn on_cancel_detached(&self, callback: impl FnOnce(&Reason) + Send + 'static) {
        self.node.add_callback(Box::new(callback));
    }

    /// Notifies `observer` when the token is cancelled, or at once if it is cancelled already. The first observer of a token is
    /// notified before the callbacks run. Further observers take their turn among the callbacks.
    pub(crate) fn observe(&self, observer: Weak<dyn CancelObserver>) {
        self.node.observe(observer);
    }

    /// Registers a callback like [`on_cancel`](Self::on_cancel), but returns the callback if the token is
    /// already cancelled.
    ///
    /// Use this while you hold a lock that the callback takes. The callback never runs inside this call, so there is no
    /// deadlock.
    ///
    /// # Errors
    ///
    /// The callback, if the token is already cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = cancelable::CancellationToken::new();
    /// token.cancel();
    /// let callback = token.try_on_cancel(|reason| println!("{reason}")).unwrap_err();
    /// // Here no lock is held any more.
    /// callback(&token.reason().unwrap());
    /// # assert!(token.is_cancelled());
    /// ```
    pub fn try_on_cancel<F>(&self, callback: F) -> Result<Registration, F>
    where
        F: FnOnce(&Reason) + Send + 'static,
    {
        Registration::try_new(&self.node, callback)
    }

    /// Returns the counts of calls that cancel this token, for the test kit.
    #[cfg(feature = "testing")]
    pub(crate) fn cancel_counts(&self) -> Arc<CancelCounts> {
        self.node.cancel_counts()
    }

    /// Like [`cancel_with`](Self::cancel_with). If `grace_end` is given, the cancelled operations may continue until then.
    #[inline]
    pub(crate) fn cancel_until(&self, reason: Reason, grace_end: Option<Instant>) -> bool {
        self.node.cancel_by_call(reason, grace_end)
    }

    /// Returns the end of the grace period that the canceller chose. Called only if the token is cancelled.
    #[cfg(feature = "time")]
    pub(crate) fn grace_end(&self) -> Option<Instant> {
        self.node.grace_end()
    }

    /// Makes the token a child of `parent`, and returns whether it did so. It does nothing if the token is a child
    /// already, or an ancestor of `parent`.
    pub(crate) fn descend_from(&self, parent: &CancellationToken) -> bool {
        self.node.descend_from(&parent.node)
    }

    /// Sets the name of this token in the reasons of its children.
    pub(crate) fn label(&self, name: Text) {
        self.node.set_label(name);
    }

    /// Returns a guard that cancels the token when it is dropped, with the reason
    /// [`Reason::Dropped`].
    ///
    /// ```
    /// use cancelable::{CancellationToken, Reason};
    /// let token = CancellationToken::new();
    /// drop(token.drop_guard());
    /// assert_eq!(token.reason(), Some(Reason::Dropped));
    /// ```
    pub fn drop_guard(&self) -> DropGuard {
        DropGuard::new(self.clone())
    }

    /// Blocks the thread until the token is cancelled, and returns the reason.
    ///
    /// Do not call this in a task: it blocks the executor's thread. Await
    /// [`cancelled`](Self::cancelled) there.
    ///
    /// ```
    /// let token = cancelable::CancellationToken::new();
    /// let remote = token.clone();
    /// std::thread::spawn(move || remote.cancel_with("now"));
    /// assert_eq!(token.blocking_wait().to_string(), "cancelled: now");
    /// ```
    pub fn blocking_wait(&self) -> Reason {
        self.node.register_with_parents();
        blocking_wait(&*self.node)
    }

    /// Blocks the thread until the token is cancelled, for at most `limit`. Returns `None` if `limit`
    /// has passed.
    ///
    /// A limit of zero checks without blocking. A limit that overflows the clock, such as
    /// [`Duration::MAX`], never passes.
    ///
    /// Do not call this in a task: it blocks the executor's thread.
    ///
    /// ```
    /// use std::time::Duration;
    /// let token = cancelable::CancellationToken::new();
    /// assert_eq!(token.blocking_wait_timeout(Duration::from_millis(1)), None);
    /// ```
    pub fn blocking_wait_timeout(&self, limit: Duration) -> Option<Reason> {
        self.node.register_with_parents();
        blocking_wait_timeout(&*self.node, limit)
    }
}

/// No user code runs while the lock is held, so a panic cannot leave the state inconsistent.
impl UnwindSafe for CancellationToken {}

/// Holds for the same reason as `UnwindSafe`.
impl RefUnwindSafe for CancellationToken {}

impl Default for CancellationToken {
    fn default() -> Self {
        CancellationToken::new()
    }
}

impl PartialEq for CancellationToken {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.node, &other.node)
    }
}

impl Eq for CancellationToken {}

impl Hash for CancellationToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.node).hash(state);
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken").field("reason", &self.node.reason()).finish()
    }
}
