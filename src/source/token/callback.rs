//! `Registration`: the handle of a callback that is registered with a token. Dropping the handle unregisters the callback.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::node::Node;
use crate::reason::Reason;
use crate::sync::{AtomicUsize, Ordering, this_thread};
use crate::wait::{HasLatch, Latch, Waiter, block_on, polled_after_completion};

/// The handle of a callback that is registered with a token. Returned by [`on_cancel`](super::CancellationToken::on_cancel)
/// and [`try_on_cancel`](super::CancellationToken::try_on_cancel).
///
/// Dropping the registration unregisters the callback, unless the callback has begun to run. The drop does not wait for a
/// callback that is running on another thread. Call [`unregister_and_wait`](Self::unregister_and_wait) to wait for it. A
/// registration does not keep the token alive.
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
    callback: Option<Registered>,
}

struct Registered {
    node: Weak<Node>,
    number: u64,
    run: Arc<CallbackRun>,
}

/// Whether a callback has begun to run, on which thread, and whether it has ended.
#[derive(Default)]
struct CallbackRun {
    /// The thread that runs the callback. Zero until the callback begins.
    thread: AtomicUsize,
    ended: Latch<()>,
}

impl HasLatch for CallbackRun {
    type Value = ();
    type Extra = ();

    fn latch(&self) -> &Latch<()> {
        &self.ended
    }
}

impl CallbackRun {
    /// Wraps a callback, so that its start and its end are noted in `self`.
    fn note<F>(self: Arc<Self>, callback: F) -> impl FnOnce(&Reason) + Send + 'static
    where
        F: FnOnce(&Reason) + Send + 'static,
    {
        move |reason| {
            // The thread is noted first, so that a call of `unregister_and_wait` inside the callback finds that it must not
            // wait.
            self.thread.store(this_thread(), Ordering::Release);
            let _ended = EndOnDrop(&self);
            callback(reason);
        }
    }

    /// Returns whether this thread is running the callback. If so, waiting for its end would take forever.
    fn is_on_this_thread(&self) -> bool {
        self.thread.load(Ordering::Acquire) == this_thread()
    }
}

/// Notes the end of the callback, even if it panics.
struct EndOnDrop<'a>(&'a CallbackRun);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(waiters) = self.0.ended.set(()) {
            waiters.wake_all();
        }
    }
}

impl Registered {
    /// Unregisters the callback. Returns false if the callback has begun to run, or is about to.
    fn unregister(&self) -> bool {
        match self.node.upgrade() {
            Some(node) => node.remove_callback(self.number),
            // The node is gone. A thread that runs a callback keeps the node alive, so the callback has either ended or
            // never begun.
            None => self.run.thread.load(Ordering::Acquire) == 0,
        }
    }
}

impl Registration {
    pub(super) fn new<F>(node: &Arc<Node>, callback: F) -> Self
    where
        F: FnOnce(&Reason) + Send + 'static,
    {
        let run = Arc::new(CallbackRun::default());
        let number = node.add_callback(Box::new(run.clone().note(callback)));
        let registered = |number| Registered { node: Arc::downgrade(node), number, run };
        Registration { callback: number.map(registered) }
    }

    /// Registers the callback, or returns it if the node is cancelled.
    pub(super) fn try_new<F>(node: &Arc<Node>, callback: F) -> Result<Self, F>
    where
        F: FnOnce(&Reason) + Send + 'static,
    {
        let run = Arc::new(CallbackRun::default());
        let number =
            node.try_add_callback(callback, |callback| Box::new(run.clone().note(callback)))?;
        let callback = Registered { node: Arc::downgrade(node), number, run };
        Ok(Registration { callback: Some(callback) })
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

    /// Unregisters the callback and returns whether this call came in time. If `true`, the callback has not run and never
    /// will. If `false`, the callback has run, is running, or is about to run.
    ///
    /// ```
    /// let token = cancelable::CancellationToken::new();
    /// assert!(token.on_cancel(|_| {}).unregister());
    ///
    /// let registration = token.on_cancel(|_| {});
    /// token.cancel();
    /// assert!(!registration.unregister());
    /// ```
    pub fn unregister(mut self) -> bool {
        self.callback.take().is_some_and(|callback| callback.unregister())
    }

    /// Unregisters the callback like [`unregister`](Self::unregister). If the callback is running on another thread, waits
    /// until it has ended. After that, the callback neither runs nor owns anything, so the values that it uses may be freed.
    ///
    /// If this is called inside the callback itself, it returns `false` at once. If the callback waits for the task that
    /// awaits this future, both wait forever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future unregisters the callback, without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// # smol::block_on(async {
    /// let token = cancelable::CancellationToken::new();
    /// let registration = token.on_cancel(|_| {});
    /// assert!(registration.unregister_and_wait().await);
    /// # });
    /// ```
    pub fn unregister_and_wait(self) -> Unregister {
        Unregister { state: State::Registered(self) }
    }

    /// The same as [`unregister_and_wait`](Self::unregister_and_wait), but blocks the thread. Do not call it in
    /// a task.
    ///
    /// ```
    /// let token = cancelable::CancellationToken::new();
    /// let registration = token.on_cancel(|_| {});
    /// token.cancel();
    /// assert!(!registration.blocking_unregister());
    /// ```
    pub fn blocking_unregister(self) -> bool {
        block_on(self.unregister_and_wait())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(callback) = self.callback.take() {
            callback.unregister();
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("registered", &self.callback.is_some()).finish()
    }
}

/// Future of [`Registration::unregister_and_wait`].
///
/// # Panics
///
/// Panics if polled after completion.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Unregister {
    state: State,
}

enum State {
    Registered(Registration),
    /// The callback is running on another thread.
    Running(Waiter<Arc<CallbackRun>>),
    Done,
}

impl Future for Unregister {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        if let State::Registered(registration) = &mut self.state {
            let callback = registration.callback.take();
            let in_time = callback.as_ref().is_some_and(Registered::unregister);
            match callback {
                // The callback is no longer in the node: it has run, is running or is about to run. In each case, its
                // end is noted in `ended`.
                Some(callback) if !in_time && !callback.run.is_on_this_thread() => {
                    self.state = State::Running(Waiter::new(callback.run));
                }
                _ => {
                    self.state = State::Done;
                    return Poll::Ready(in_time);
                }
            }
        }
        let State::Running(run) = &mut self.state else { polled_after_completion("Unregister") };
        let polled = run.poll("Unregister", cx, |()| false);
        if polled.is_ready() {
            self.state = State::Done;
        }
        polled
    }
}

impl FusedFuture for Unregister {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl fmt::Debug for Unregister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Registered(_) => "Unregister(Idle)",
            State::Running(_) => "Unregister(Waiting)",
            State::Done => "Unregister(Done)",
        })
    }
}
