//! `Alarm`: one timer of the reactor. No task drives it: the reactor wakes it, whoever polls.

#[cfg(not(cancelable_loom))]
pub(super) use real::{Alarm, has_come};

#[cfg(cancelable_loom)]
pub(super) use modelled::{Alarm, has_come};
#[cfg(all(test, cancelable_loom))]
pub(super) use modelled::{ring, ring_until};

#[cfg(not(cancelable_loom))]
mod real {
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Instant;

    use async_io::Timer;

    use crate::clock;

    /// Whether that moment has come.
    pub(in crate::timer) fn has_come(at: Instant) -> bool {
        clock::real() >= at
    }

    #[derive(Debug)]
    pub(in crate::timer) struct Alarm(Timer);

    impl Alarm {
        pub(in crate::timer) fn new(at: Instant) -> Self {
            Alarm(Timer::at(at))
        }

        /// Ready once the moment has come. Otherwise the waker is woken when it comes.
        pub(in crate::timer) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            Pin::new(&mut self.0).poll(cx).map(drop)
        }
    }
}

#[cfg(cancelable_loom)]
mod modelled {
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;

    use crate::sync::Mutex;

    loom::lazy_static! {
        static ref REACTOR: Mutex<Reactor> = Mutex::default();
    }

    /// Time passes only when it rings.
    #[derive(Default)]
    struct Reactor {
        now: Option<Instant>,
        /// The alarms that are set, and whom they wake.
        alarms: Vec<(Instant, Waker)>,
    }

    /// Whether that moment has come.
    pub(in crate::timer) fn has_come(at: Instant) -> bool {
        REACTOR.lock().now.is_some_and(|now| now >= at)
    }

    #[derive(Debug)]
    pub(in crate::timer) struct Alarm {
        at: Instant,
    }

    impl Alarm {
        pub(in crate::timer) fn new(at: Instant) -> Self {
            Alarm { at }
        }

        pub(in crate::timer) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let mut reactor = REACTOR.lock();
            if reactor.now.is_some_and(|now| now >= self.at) {
                return Poll::Ready(());
            }
            reactor.alarms.push((self.at, cx.waker().clone()));
            Poll::Pending
        }
    }

    /// The real one takes its timer back. Here that stays: who is woken for nothing must bear it.
    impl Drop for Alarm {
        fn drop(&mut self) {}
    }

    /// What the reactor does when the moment of every alarm that is set has come.
    #[cfg(test)]
    pub(in crate::timer) fn ring() {
        let latest = REACTOR.lock().alarms.iter().map(|(at, _)| *at).max();
        if let Some(latest) = latest {
            ring_until(latest);
        }
    }

    /// What the reactor does when that moment has come.
    #[cfg(test)]
    pub(in crate::timer) fn ring_until(moment: Instant) {
        let mut reactor = REACTOR.lock();
        let alarms = std::mem::take(&mut reactor.alarms);
        let (due, later) = alarms.into_iter().partition::<Vec<_>, _>(|(at, _)| *at <= moment);
        reactor.alarms = later;
        reactor.now = reactor.now.max(Some(moment));
        drop(reactor);
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
}
