//! What the tests share: a watchdog, wakers that count, polling by hand, and the executors.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "each test file uses its part of it"
)]

mod clock;
mod gate;
mod log;
mod seen;
#[cfg(not(feature = "testing"))]
mod wakes;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

pub use clock::Clock;
pub use gate::Gate;
pub use log::{Log, NoteOnDrop};
pub use seen::{kept, lost, panic_of, payload_of};

/// The counting waker: that of the test kit, or, where that is left out, one that does the same.
#[cfg(feature = "testing")]
pub use cancelable::testing::Wakes;
#[cfg(not(feature = "testing"))]
pub use wakes::Wakes;

/// How long a test may take before it counts as hung.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Ends the process if the test hangs: a hang is a failure.
///
/// Hold it for the whole test: `let _watchdog = watchdog();`.
#[must_use]
pub fn watchdog() -> Watchdog {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let (done, waits) = channel::<()>();
    thread::spawn(move || {
        if waits.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{test} hangs: no end after {LIMIT:?}");
            std::process::abort();
        }
    });
    Watchdog { _done: done }
}

/// Dropping it tells the watchdog that the test has ended.
#[derive(Debug)]
pub struct Watchdog {
    _done: Sender<()>,
}

/// Polls once with a waker that nobody looks at.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    Wakes::new().poll(future)
}

/// The barest executor there is: polls, and parks the thread until it is woken.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Counts how many of its clones were dropped, and how many times it was polled.
#[derive(Debug, Default)]
pub struct Tally {
    pub polls: AtomicUsize,
    pub drops: AtomicUsize,
}

impl Tally {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    pub fn drops(&self) -> usize {
        self.drops.load(Ordering::SeqCst)
    }

    /// A future that counts its polls and its drop, and is ready at the poll of that number
    /// (1 is the first); 0 is never.
    pub fn ready_at(self: &Arc<Self>, poll: usize) -> Work {
        Work { tally: self.clone(), ready_at: poll }
    }
}

/// See [`Tally::ready_at`]. It wakes nobody.
#[derive(Debug)]
pub struct Work {
    tally: Arc<Tally>,
    ready_at: usize,
}

impl Future for Work {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<usize> {
        let polls = self.tally.polls.fetch_add(1, Ordering::SeqCst) + 1;
        if polls == self.ready_at { Poll::Ready(polls) } else { Poll::Pending }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.tally.drops.fetch_add(1, Ordering::SeqCst);
    }
}

/// Makes of each `async fn` a module with one test for each executor.
macro_rules! on_every_executor {
    ($($(#[$meta:meta])* async fn $name:ident() $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn body() $body

            #[test]
            fn bare_block_on() {
                let _watchdog = $crate::support::watchdog();
                $crate::support::block_on(body());
            }

            #[test]
            fn tokio_current_thread() {
                let _watchdog = $crate::support::watchdog();
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(body());
            }

            #[test]
            fn tokio_multi_thread() {
                let _watchdog = $crate::support::watchdog();
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .build()
                    .unwrap();
                runtime.block_on(async { tokio::spawn(body()).await.unwrap() });
            }

            #[test]
            fn smol() {
                let _watchdog = $crate::support::watchdog();
                ::smol::block_on(async { ::smol::spawn(body()).await });
            }

            #[test]
            fn async_std() {
                let _watchdog = $crate::support::watchdog();
                ::async_std::task::block_on(async { ::async_std::task::spawn(body()).await });
            }
        }
    )*};
}
pub(crate) use on_every_executor;
