//! Blocking closures on the thread pool, for [`run_blocking`](Operation#method.run_blocking).

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Call, Start, State};
use crate::frame::{InLimitedSection, section_end};
use crate::operation::{Operation, PolledBy};
use crate::poll_context::InShield;
use crate::pool::{self, PoolTask};
use crate::shield::{Shield, shield};
use crate::sync::{AtomicBool, Mutex, Ordering};

type Queue<T> = Box<dyn FnOnce() -> BlockingCall<T> + Send>;

/// A blocking closure that has not been queued.
pub struct QueuedCall<T> {
    /// Never contended. The lock is only here to make this type `Sync`.
    queue: Mutex<Option<Queue<T>>>,
    waits: bool,
}

impl<T: Send + 'static> QueuedCall<T> {
    pub(super) fn new(operation: &Operation, closure: impl FnOnce() -> T + Send + 'static) -> Self {
        let operation = operation.clone();
        // If `run_blocking` is called in a shield, the closure is part of the shielded section.
        let section = operation.is_protected_here().then(section_end);
        let protected = section.is_some();
        let queue = move || {
            let begun = Arc::new(AtomicBool::new(false));
            let (inside, has_begun) = (operation.clone(), begun.clone());
            let task = pool::spawn(move || {
                // If `begun` was set already, the task of the call has seen that the operation is cancelled, and has refused
                // the closure.
                if has_begun.swap(true, Ordering::AcqRel) {
                    return None;
                }
                let _inside = inside.enter(PolledBy::ANYTHING);
                let _section = section.map(|end| (InShield::enter(), InLimitedSection::enter(end)));
                // The operation may have been cancelled while the closure was queued.
                inside.check().ok()?;
                Some(closure())
            });
            BlockingCall::new(ClosureTask { task, operation, begun, protected })
        };
        let queue = Mutex::new(Some(Box::new(queue) as Queue<T>));
        QueuedCall { queue, waits: true }
    }
}

impl<T> Start<BlockingCall<T>> for QueuedCall<T> {
    fn start(self) -> BlockingCall<T> {
        match self.queue.lock().take() {
            Some(queue) => BlockingCall { waits: self.waits, ..queue() },
            None => unreachable!("it is queued once"),
        }
    }

    fn is_refused(call: &BlockingCall<T>) -> bool {
        call.refused
    }
}

/// A blocking closure on the thread pool: the future inside the [`Call`] that
/// [`run_blocking`](Operation#method.run_blocking) returns.
pub struct BlockingCall<T> {
    /// The closure. If a cancellation waits for the closure, the first poll moves it into `section`.
    task: Option<ClosureTask<T>>,
    /// Makes the races around the call wait for the closure.
    section: Option<Shield<ClosureTask<T>>>,
    /// Whether a cancellation waits for a closure that has begun.
    waits: bool,
    /// Whether the closure was refused, because the operation was cancelled before the closure began.
    refused: bool,
}

impl<T> BlockingCall<T> {
    fn new(task: ClosureTask<T>) -> Self {
        BlockingCall { task: Some(task), section: None, waits: true, refused: false }
    }
}

impl<T> Future for BlockingCall<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if this.waits {
            if let Some(task) = this.task.take() {
                this.section = Some(shield(task).named("run_blocking"));
            }
        }
        let polled = match (&mut this.section, &mut this.task) {
            // The `Call` around this future returns the error.
            _ if this.refused => return Poll::Pending,
            (Some(section), _) => Pin::new(section).poll(cx),
            (None, Some(task)) => Pin::new(task).poll(cx),
            (None, None) => unreachable!("one of them has the closure"),
        };
        match ready!(polled) {
            Some(value) => Poll::Ready(value),
            None => {
                this.refused = true;
                Poll::Pending
            }
        }
    }
}

/// A closure on the pool. Resolves to `None` if the operation was cancelled before the closure began.
struct ClosureTask<T> {
    task: PoolTask<Option<T>>,
    operation: Operation,
    /// True once the closure has begun or has been refused. Both the pool thread and the task of the call set this flag, and
    /// the first of them decides: the pool thread begins the closure, the task refuses it.
    begun: Arc<AtomicBool>,
    /// Whether `run_blocking` was called in a shielded section. If so, the closure begins even if the operation is
    /// cancelled.
    protected: bool,
}

impl<T> Future for ClosureTask<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let polled = Pin::new(&mut self.task).poll(cx);
        // A cancellation wakes the race around the call, and that race polls this future again. So this check never misses a
        // cancellation.
        let refuses = polled.is_pending()
            && !self.protected
            && self.operation.is_cancelled()
            && !self.begun.swap(true, Ordering::AcqRel);
        if refuses { Poll::Ready(None) } else { polled }
    }
}

impl<T> Call<BlockingCall<T>, QueuedCall<T>> {
    /// Lets a cancellation take effect without waiting for the closure. When the operation is cancelled, the call resolves
    /// at once. A closure that is already running keeps running. The closure may overlap with clean-up and outlive the
    /// operation, and its result is dropped.
    ///
    /// Use it if the closure may block for a long time and does no harm if it ends late. Call this before the first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::sync::mpsc::channel;
    ///
    /// # smol::block_on(async {
    /// let (line, lines) = channel::<String>();
    /// let stop = CancellationToken::new();
    /// let future = try_scope(&stop, async |operation: Operation| {
    ///     operation.run_blocking(move || lines.recv()).abandon_on_cancel().await
    /// });
    /// let (answer, _) = futures::join!(future, async { stop.cancel() });
    /// assert!(answer.is_err(), "although no line has come");
    /// # drop(line);
    /// # });
    /// ```
    pub fn abandon_on_cancel(mut self) -> Self {
        match &mut self.state {
            State::Called(Some(call)) => call.waits = false,
            State::Late(Some(queued)) => queued.waits = false,
            _ => {}
        }
        self
    }
}

impl<T> fmt::Debug for BlockingCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingCall")
    }
}

impl<T> fmt::Debug for QueuedCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueuedCall")
    }
}
