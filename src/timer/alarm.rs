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
        /// The alarms that are set: their numbers, and whom they wake.
        alarms: Vec<(Instant, usize, Waker)>,
        /// How many have ever been set.
        set: usize,
    }

    /// Whether that moment has come.
    pub(in crate::timer) fn has_come(at: Instant) -> bool {
        REACTOR.lock().now.is_some_and(|now| now >= at)
    }

    #[derive(Debug)]
    pub(in crate::timer) struct Alarm {
        at: Instant,
        /// Once it is set.
        number: Option<usize>,
    }

    impl Alarm {
        pub(in crate::timer) fn new(at: Instant) -> Self {
            Alarm { at, number: None }
        }

        pub(in crate::timer) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let mut reactor = REACTOR.lock();
            if reactor.now.is_some_and(|now| now >= self.at) {
                return Poll::Ready(());
            }
            reactor.set += 1;
            self.number = Some(reactor.set);
            let number = reactor.set;
            reactor.alarms.push((self.at, number, cx.waker().clone()));
            Poll::Pending
        }
    }

    /// It takes its timer back, unless that rings already.
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

    /// What the reactor does when the moment of every alarm that is set has come.
    #[cfg(test)]
    pub(in crate::timer) fn ring() {
        let latest = REACTOR.lock().alarms.iter().map(|alarm| alarm.0).max();
        if let Some(latest) = latest {
            ring_until(latest);
        }
    }

    /// What the reactor does when that moment has come.
    #[cfg(test)]
    pub(in crate::timer) fn ring_until(moment: Instant) {
        let mut reactor = REACTOR.lock();
        let alarms = std::mem::take(&mut reactor.alarms);
        let (due, later) = alarms.into_iter().partition::<Vec<_>, _>(|alarm| alarm.0 <= moment);
        reactor.alarms = later;
        reactor.now = reactor.now.max(Some(moment));
        drop(reactor);
        due.into_iter().for_each(|(_, _, waker)| waker.wake());
    }
}
