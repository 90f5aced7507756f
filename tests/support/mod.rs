//! Helpers that all tests share: a watchdog, a waker that counts, work that is polled by hand, and executors.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "each test file uses its part of it"
)]

pub mod by_hand;
mod clock;
mod gate;
mod log;
mod seen;
mod switch;
mod thread_time;
#[cfg(not(feature = "testing"))]
mod wakes;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use cancelable::operation::Ending;
use cancelable::prelude::*;

pub use clock::Clock;
pub use gate::Gate;
pub use log::{Log, NoteOnDrop};
pub use private_harness::{LIMIT, Watchdog, check_random, watchdog};
pub use seen::{kept, lost, panic_of, payload_of, won};
pub use switch::{Strict, Switch};
pub use thread_time::computing;

/// A waker that counts its wakes. It comes from the test kit, or is a copy if the feature `testing` is
/// off.
#[cfg(feature = "testing")]
pub use cancelable::testing::Wakes;
#[cfg(not(feature = "testing"))]
pub use wakes::Wakes;

/// Returns an operation that is never polled and never dropped. An empty name means no name.
pub fn unpolled(name: &'static str) -> Operation {
    forget(std::future::pending::<()>().cancelable(never()).named(name))
}

/// Leaks a future, so that it is never dropped, and returns its operation.
pub fn forget<F: Future, S, E: Ending<F::Output>>(run: Cancelable<F, S, E>) -> Operation {
    let operation = run.operation();
    std::mem::forget(run);
    operation
}

/// Polls once with a new waker.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    Wakes::new().poll(future)
}

/// Polls the future, and polls it again for as long as each poll wakes it.
pub fn poll_while_woken<F: Future + ?Sized>(
    wakes: &Arc<Wakes>,
    mut future: Pin<&mut F>,
) -> Poll<F::Output> {
    for _ in 0..1_000 {
        let woken = wakes.count();
        let polled = wakes.poll(future.as_mut());
        if polled.is_ready() || wakes.count() == woken {
            return polled;
        }
    }
    panic!("it wakes itself all the time");
}

/// The simplest executor: it polls, then parks the thread until the waker unparks it.
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

/// Calls `act` on each panic from now on, before the panic hook that the process already has.
pub fn on_panic(act: impl Fn() + Send + Sync + 'static) {
    // Two tests that do this at once could lose one of the hooks.
    static CHANGING: Mutex<()> = Mutex::new(());
    let _changing = CHANGING.lock();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        act();
        hook(info);
    }));
}

/// Counts the polls and drops of the futures that it makes.
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

    /// Returns a future that is ready at poll number `poll`, counted from 1, or never if `poll` is
    /// 0.
    pub fn ready_at(self: &Arc<Self>, poll: usize) -> Work {
        Work { tally: self.clone(), ready_at: poll }
    }
}

/// The future of [`Tally::ready_at`]. It does not wake its task.
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

/// Runs a closure when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Returns work that calls the closure in each poll. The argument is the number of the poll, counted from 1.
pub fn work<T>(mut poll: impl FnMut(usize) -> Poll<T>) -> impl Future<Output = T> {
    let mut polls = 0;
    poll_fn(move |_| {
        polls += 1;
        poll(polls)
    })
}

/// Runs `test` on a thread with a stack of `size` bytes.
pub fn on_a_stack_of(size: usize, test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(size).spawn(test).unwrap().join().unwrap();
}

/// Turns each `async fn` into a module with one test for each executor.
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
