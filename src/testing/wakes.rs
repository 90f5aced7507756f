//! `Wakes`: a waker that counts wakes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::sync::{AtomicU64, Ordering};

/// How long [`Wakes::wait`] waits, in real time.
const LIMIT: Duration = Duration::from_secs(60);

/// A waker that counts how often it was woken, for polling by hand.
///
/// Use it to test how often a future is polled and woken. `Arc::strong_count(&wakes) - 1` is the number of wakers that are
/// still registered somewhere.
///
/// # Examples
///
/// ```
/// use cancelable::CancellationToken;
/// use cancelable::testing::Wakes;
/// use std::pin::pin;
///
/// let token = CancellationToken::new();
/// let wakes = Wakes::new();
/// let mut waiting = pin!(token.cancelled());
/// assert!(wakes.poll(waiting.as_mut()).is_pending());
/// assert_eq!(wakes.count(), 0);
/// token.cancel();
/// assert_eq!(wakes.count(), 1);
/// assert!(wakes.poll(waiting).is_ready());
/// ```
#[derive(Debug, Default)]
pub struct Wakes(AtomicU64);

impl Wakes {
    /// Creates a waker that has not been woken.
    ///
    /// ```
    /// assert_eq!(cancelable::testing::Wakes::new().count(), 0);
    /// ```
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Returns the number of wakes.
    ///
    /// ```
    /// use cancelable::testing::Wakes;
    /// let wakes = Wakes::new();
    /// wakes.waker().wake();
    /// assert_eq!(wakes.count(), 1);
    /// ```
    pub fn count(&self) -> usize {
        // Saturates on 32-bit platforms.
        usize::try_from(self.0.load(Ordering::SeqCst)).unwrap_or(usize::MAX)
    }

    /// Returns the waker.
    ///
    /// ```
    /// use cancelable::testing::Wakes;
    /// let wakes = Wakes::new();
    /// assert!(wakes.waker().will_wake(&wakes.waker()));
    /// ```
    pub fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// Polls a future once with this waker.
    ///
    /// ```
    /// use cancelable::testing::Wakes;
    /// use std::pin::pin;
    /// use std::task::Poll;
    /// assert_eq!(Wakes::new().poll(pin!(async { 7 })), Poll::Ready(7));
    /// ```
    pub fn poll<F: Future + ?Sized>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&self.waker()))
    }

    /// Blocks until the number of wakes is at least `wakes`, in real time even if time is paused. Use this if another thread
    /// does the waking.
    ///
    /// # Panics
    ///
    /// Panics if the wakes do not come within a minute.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::testing::Wakes;
    /// let wakes = Wakes::new();
    /// let waker = wakes.waker();
    /// std::thread::spawn(|| waker.wake());
    /// wakes.wait(1);
    /// ```
    #[track_caller]
    pub fn wait(&self, wakes: usize) {
        let start = clock::real();
        while self.count() < wakes {
            let waited = clock::real().saturating_duration_since(start);
            assert!(waited < LIMIT, "woken {} times in {LIMIT:?}, expected {wakes}", self.count());
            thread::yield_now();
        }
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
