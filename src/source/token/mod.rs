//! `CancellationToken`: a switch that any task or thread may flip, once.

mod guard;
mod node;
mod registration;
mod relations;
mod thread;
mod told;
mod wait;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

pub use guard::DropGuard;
pub use registration::Registration;
pub use wait::{WaitForCancellation, WaitForCancellationOwned};

use crate::{Cancelled, Reason, Text};
use node::Node;

/// A switch that any task or thread may flip, once, to cancel whatever listens to it.
///
/// Clones are handles to the same token. Cancelling is synchronous, and works from any thread, also
/// into an executor that is idle. The first cancellation wins and its reason stays. Two tokens are
/// equal when they are handles to the same one.
///
/// A token is a source by itself: pass `token` or `&token` wherever a source is asked for.
///
/// What listens can be anything: futures ([`cancelled`](Self::cancelled)), callbacks
/// ([`on_cancel`](Self::on_cancel)), threads ([`blocking_wait`](Self::blocking_wait)), and other
/// tokens ([`child_token`](Self::child_token), [`linked`](Self::linked)). When they are gone,
/// nothing of them stays in the token, however long it lives.
///
/// # Order
///
/// A cancellation flips the token and every token below it, then wakes those who wait, then runs the
/// callbacks. All of it happens in the call to `cancel`, with no lock held. Another thread may see a
/// token cancelled a moment before those below it. Dropping all handles cancels
/// nothing: who waits for a token that nobody can cancel any more waits for ever, and callbacks are
/// dropped without having run.
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
    /// A token that is not cancelled.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// assert!(!CancellationToken::new().is_cancelled());
    /// ```
    pub fn new() -> Self {
        CancellationToken { node: Node::new() }
    }

    /// A token that is cancelled when any of these is, with the reason of that one.
    ///
    /// It works downwards only: cancelling it leaves the others alone. Where several of them are
    /// cancelled already, the first listed counts. Linked to none, it is a token like any other.
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
        // All of the caller's code runs before the first link is made.
        let tokens: Vec<_> = tokens.into_iter().map(|token| token.node.clone()).collect();
        CancellationToken { node: Node::linked(tokens) }
    }

    /// A token that is cancelled with this one, for the reason [`Reason::Parent`], and can be
    /// cancelled alone.
    ///
    /// A child of a cancelled token is cancelled from the start. A child that is dropped leaves
    /// nothing in its parent. A child keeps its parent alive, and so all that are above it: a chain
    /// lives as long as its last token.
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

    /// Cancels, for the reason [`Reason::Manual`] without a message.
    ///
    /// Returns whether this call did it: `false` says that the token was cancelled before, and that
    /// nothing has changed.
    ///
    /// ```
    /// let token = cancelable::CancellationToken::new();
    /// assert!(token.cancel());
    /// assert!(!token.cancel());
    /// ```
    pub fn cancel(&self) -> bool {
        self.cancel_with(Reason::Manual { message: None })
    }

    /// Cancels for that reason. A string literal or a `String` is a [`Reason::Manual`] with that
    /// message.
    ///
    /// Returns whether this call did it: `false` says that the token was cancelled before, and that
    /// nothing has changed, its reason included.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Reason};
    /// let token = CancellationToken::new();
    /// assert!(token.cancel_with("first"));
    /// assert!(!token.cancel_with(Reason::Disconnected));
    /// assert_eq!(token.reason(), Some(Reason::manual("first")));
    /// ```
    pub fn cancel_with(&self, reason: impl Into<Reason>) -> bool {
        self.node.cancel(reason.into())
    }

    /// Whether the token is cancelled. Takes no lock, but where it is the first to see that a child
    /// is cancelled with its parent.
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

    /// Why it was cancelled, if it was. Takes a lock only where
    /// [`is_cancelled`](Self::is_cancelled) would, or where it is the first to ask why the children of a
    /// token were.
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

    /// `Err` once the token is cancelled: for `?` between the steps of work that does not await.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] with the reason of the token.
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

    /// A future of the reason: ready once the token is cancelled.
    ///
    /// It is what `&token` becomes where a source is asked for.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the list of those who wait. A new one sees the same.
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
        self.node.enter();
        WaitForCancellation::new(&self.node)
    }

    /// The same as [`cancelled`](Self::cancelled), without the borrow: for a task of its own.
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
        self.node.enter();
        WaitForCancellationOwned::new(self.node)
    }

    /// Runs `callback` when the token is cancelled: once, on the thread that cancels, with no lock
    /// held; or here and now, if it is cancelled already.
    ///
    /// Callbacks run in the order in which they were registered. One that panics harms neither the
    /// others nor who cancels: the panic is printed by the panic hook and ends there.
    ///
    /// Dropping the [`Registration`] takes the callback back, unless it has begun to run. That does
    /// not wait for one that is running on another thread. A callback that holds a handle of its own
    /// token, and is [detached](Registration::detach), keeps both alive until the token is cancelled.
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
        Registration::new(&self.node, Box::new(callback))
    }

    /// Makes it a child of `parent`, unless it is a child already or that would close a circle.
    pub(crate) fn descend_from(&self, parent: &CancellationToken) -> bool {
        self.node.descend_from(&parent.node)
    }

    /// Names it in the reasons of its children.
    pub(crate) fn label(&self, name: Text) {
        self.node.label(name);
    }

    /// A guard that cancels the token when it is dropped, for the reason [`Reason::Dropped`].
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

    /// Blocks this thread until the token is cancelled.
    ///
    /// This is for threads. A task that calls it stops its executor.
    ///
    /// ```
    /// let token = cancelable::CancellationToken::new();
    /// let remote = token.clone();
    /// std::thread::spawn(move || remote.cancel_with("now"));
    /// assert_eq!(token.blocking_wait().to_string(), "cancelled: now");
    /// ```
    pub fn blocking_wait(&self) -> Reason {
        thread::wait(&self.node)
    }

    /// Blocks this thread until the token is cancelled, but no longer than `limit`. `None` says
    /// that the limit passed.
    ///
    /// A limit of zero only looks. One that is further off than the clock can tell is no limit.
    ///
    /// This is for threads. A task that calls it stops its executor.
    ///
    /// ```
    /// use std::time::Duration;
    /// let token = cancelable::CancellationToken::new();
    /// assert_eq!(token.blocking_wait_timeout(Duration::from_millis(1)), None);
    /// ```
    pub fn blocking_wait_timeout(&self, limit: Duration) -> Option<Reason> {
        thread::wait_timeout(&self.node, limit)
    }
}

/// A panic while the lock is held is impossible: nothing of anyone else runs under it.
impl UnwindSafe for CancellationToken {}

/// As above.
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

impl IntoFuture for CancellationToken {
    type Output = Reason;
    type IntoFuture = WaitForCancellationOwned;

    #[inline]
    fn into_future(self) -> WaitForCancellationOwned {
        self.cancelled_owned()
    }
}

impl<'a> IntoFuture for &'a CancellationToken {
    type Output = Reason;
    type IntoFuture = WaitForCancellation<'a>;

    #[inline]
    fn into_future(self) -> WaitForCancellation<'a> {
        self.cancelled()
    }
}
