//! `Alarm`: one timer of the reactor. No task polls the alarm after it is set. When it is due, the reactor wakes its waker.

#[cfg(not(cancelable_loom))]
pub(super) use real::{Alarm, now};

#[cfg(cancelable_loom)]
pub(super) use modelled::{Alarm, now};
#[cfg(all(test, cancelable_loom))]
pub(super) use modelled::{ring, ring_until};

#[cfg(not(cancelable_loom))]
mod real {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::thread;
    use std::time::{Duration, Instant};

    use async_io::Timer;

    use crate::sync::{AtomicBool, Ordering};

    pub(in crate::timer) use crate::clock::real as now;

    /// Set if creating the reactor has panicked, for example because the process had no file descriptors left. `async-io`
    /// starts the reactor's thread first, and that thread ends with the same panic. If a later attempt creates the reactor,
    /// `async-io` does not start the thread again, so `poll` starts one.
    static FAILED: AtomicBool = AtomicBool::new(false);

    struct FailedOnPanic;

    impl Drop for FailedOnPanic {
        fn drop(&mut self) {
            FAILED.store(true, Ordering::Relaxed);
        }
    }

    /// Sleeps for a tick and wakes the thread, which then looks at the reactor.
    ///
    /// A future that is only pending is not enough: after half a millisecond, `block_on` leaves the reactor to the thread
    /// that has ended, and waits to be woken.
    fn look_again(cx: &mut Context<'_>) -> Poll<()> {
        thread::sleep(Duration::from_millis(1));
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    #[derive(Debug)]
    pub(in crate::timer) struct Alarm(Timer);

    impl Alarm {
        pub(in crate::timer) fn new(at: Instant) -> Self {
            Alarm(Timer::at(at))
        }

        /// Returns `Ready` if the alarm is due. If not, the waker is woken when the alarm is due.
        pub(in crate::timer) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let failed = FailedOnPanic;
            let polled = Pin::new(&mut self.0).poll(cx).map(drop);
            std::mem::forget(failed);
            if FAILED.load(Ordering::Relaxed) && FAILED.swap(false, Ordering::Relaxed) {
                // The reactor exists now. The new thread drives it in place of the thread that has ended.
                thread::spawn(|| async_io::block_on(poll_fn(look_again)));
            }
            polled
        }
    }
}

#[cfg(cancelable_loom)]
mod modelled {
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;

    use crate::clock;
    use crate::sync::Mutex;

    loom::lazy_static! {
        static ref REACTOR: Mutex<Reactor> =
            Mutex::new(Reactor { now: clock::real(), alarms: Vec::new(), set: 0 });
    }

    /// A reactor whose time passes only when it rings.
    struct Reactor {
        now: Instant,
        /// The alarms that are set: when each is due, its number, and its waker.
        alarms: Vec<(Instant, usize, Waker)>,
        /// The number of the last alarm.
        set: usize,
    }

    pub(in crate::timer) fn now() -> Instant {
        REACTOR.lock().now
    }

    #[derive(Debug)]
    pub(in crate::timer) struct Alarm {
        at: Instant,
        /// `None` until the alarm is set.
        number: Option<usize>,
    }

    impl Alarm {
        pub(in crate::timer) fn new(at: Instant) -> Self {
            Alarm { at, number: None }
        }

        pub(in crate::timer) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let mut reactor = REACTOR.lock();
            if reactor.now >= self.at {
                return Poll::Ready(());
            }
            reactor.set += 1;
            self.number = Some(reactor.set);
            let number = reactor.set;
            reactor.alarms.push((self.at, number, cx.waker().clone()));
            Poll::Pending
        }
    }

    /// Takes the alarm out of the reactor, unless it is ringing.
    impl Drop for Alarm {
        fn drop(&mut self) {
            let Some(number) = self.number.filter(|_| !std::thread::panicking()) else { return };
            let mut reactor = REACTOR.lock();
            let place = reactor.alarms.iter().position(|alarm| alarm.1 == number);
            let taken = place.map(|place| reactor.alarms.swap_remove(place));
            drop(reactor);
            drop(taken);
        }
    }

    /// Rings all alarms that are set. Returns false if there are none.
    #[cfg(test)]
    pub(in crate::timer) fn ring() -> bool {
        let latest = REACTOR.lock().alarms.iter().map(|alarm| alarm.0).max();
        latest.is_some_and(|latest| {
            ring_until(latest);
            true
        })
    }

    /// Lets time pass until `moment` and rings the alarms that are due by then.
    #[cfg(test)]
    pub(in crate::timer) fn ring_until(moment: Instant) {
        let mut reactor = REACTOR.lock();
        let alarms = std::mem::take(&mut reactor.alarms);
        let (due, later) = alarms.into_iter().partition::<Vec<_>, _>(|alarm| alarm.0 <= moment);
        reactor.alarms = later;
        reactor.now = reactor.now.max(moment);
        drop(reactor);
        due.into_iter().for_each(|(_, _, waker)| waker.wake());
    }
}
