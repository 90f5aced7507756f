//! Signals that arrive while other threads create, poll and drop sources.

use std::panic;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Instant;

use cancelable::prelude::*;
use cancelable::source::SignalSource;

use crate::alone::{alone, raise, raise_heard};
use crate::support::{self, LIMIT, Wakes, block_on, poll_once};

/// Every source created before the signal was sent fires, while many more are being created.
#[test]
fn created_meanwhile() {
    let _watchdog = support::watchdog();
    alone(|| {
        let sets: [&[Signal]; 3] = [
            &[Signal::Usr1],
            &[Signal::Usr1, Signal::Usr2],
            &[Signal::Usr1, Signal::Hup, Signal::Term],
        ];
        // The signal may arrive before the threads have created their first source.
        let _survive = signal(Signal::Usr1).unwrap();
        let made = Mutex::new(Vec::new());
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for set in sets {
                let (made, over) = (&made, &over);
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let mut source = signals(set.iter().copied()).unwrap();
                        let wakes = Wakes::new();
                        // Some of the sources have not been polled when the signal arrives.
                        let polled = made.lock().unwrap().len() % 2 == 0;
                        if polled && wakes.poll(Pin::new(&mut source)).is_ready() {
                            continue;
                        }
                        made.lock().unwrap().push((source, wakes, polled));
                        thread::yield_now();
                    }
                });
            }
            let mut heard = 0;
            for _ in 0..500 {
                while made.lock().unwrap().len() < 3 {
                    thread::yield_now();
                }
                let there = std::mem::take(&mut *made.lock().unwrap());
                raise(Signal::Usr1);
                for (mut source, wakes, polled) in there {
                    if polled {
                        wakes.wait(1);
                        assert!(poll_once(Pin::new(&mut source)).is_ready());
                    } else {
                        assert_eq!(block_on(source), Reason::signal(Signal::Usr1));
                    }
                    heard += 1;
                }
            }
            over.store(true, Ordering::Relaxed);
            assert!(heard >= 1_500, "only {heard} listeners");
        });
    });
}

/// Sources are polled for the first time while the signal is on its way.
#[test]
fn no_lost_wake() {
    let _watchdog = support::watchdog();
    alone(|| {
        // The signal may arrive before the threads have created their first source.
        let _survive = termination().unwrap();
        let waiting = AtomicUsize::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        assert!(block_on(termination().unwrap()).kind() == ReasonKind::Signal);
                    }
                    waiting.fetch_sub(1, Ordering::SeqCst);
                });
            }
            while waiting.load(Ordering::SeqCst) > 0 {
                raise(Signal::Term);
                raise(Signal::Int);
                thread::yield_now();
            }
        });
    });
}

/// In each round several threads register a new kind of signal at the same time. The first round
/// creates the hub.
#[test]
fn first_of_each_kind() {
    let _watchdog = support::watchdog();
    alone(|| {
        use Signal::{Alarm, Hup, Int, Io, Prof, Quit, Term, Urg, Usr1, Usr2, Vtalarm, Xcpu};
        for kind in [Int, Term, Hup, Quit, Usr1, Usr2, Alarm, Urg, Io, Prof, Vtalarm, Xcpu] {
            let (all_here, all_made) = (Barrier::new(8), Barrier::new(9));
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        all_here.wait();
                        let source = signal(kind).unwrap();
                        all_made.wait();
                        assert_eq!(block_on(source), Reason::signal(kind));
                    });
                }
                all_made.wait();
                raise(kind);
            });
        }
    });
}

/// Once the source exists, a signal is not lost, and it does not end the process.
#[test]
fn right_after_construction() {
    let _watchdog = support::watchdog();
    alone(|| {
        for kind in (1..32).filter_map(|number| Signal::try_from(number).ok()) {
            if let Ok(source) = signal(kind) {
                raise(kind);
                assert_eq!(block_on(source), Reason::signal(kind));
            }
        }
    });
}

#[test]
fn dropped_during_delivery() {
    let _watchdog = support::watchdog();
    alone(|| {
        // The signal may arrive before the threads have created their first source.
        let _survive = signal(Signal::Usr1).unwrap();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let wakes = Wakes::new();
                        let mut sources: Vec<_> =
                            (0..10).map(|_| signal(Signal::Usr1).unwrap()).collect();
                        for source in &mut sources {
                            let _ = wakes.poll(Pin::new(source));
                        }
                        drop(sources);
                        // A source that is being woken still holds its latch.
                        let give_up = Instant::now() + LIMIT;
                        while Arc::strong_count(&wakes) > 1 {
                            assert!(Instant::now() < give_up, "a waker is left behind");
                            thread::yield_now();
                        }
                        assert!(wakes.count() <= 10);
                    }
                });
            }
            for _ in 0..2_000 {
                raise(Signal::Usr1);
                thread::yield_now();
            }
            over.store(true, Ordering::Relaxed);
        });
        raise_heard(Signal::Usr1);
    });
}

/// More signals than the hub's pipe holds, as fast as possible, from several threads.
#[test]
fn burst() {
    let _watchdog = support::watchdog();
    alone(|| {
        let wakes = Wakes::new();
        let mut source = signal(Signal::Usr1).unwrap();
        assert!(wakes.poll(Pin::new(&mut source)).is_pending());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| raise(Signal::Usr1)));
            }
        });
        wakes.wait(1);
        assert_eq!(poll_once(Pin::new(&mut source)), Poll::Ready(Reason::signal(Signal::Usr1)));
        // The hub still works: the next signal is delivered.
        for _ in 0..100 {
            raise_heard(Signal::Usr1);
        }
        assert_eq!(wakes.count(), 1);
    });
}

/// A waker that creates a source, drops one and sends a signal.
struct Busy {
    next: Mutex<Option<SignalSource>>,
    woken: AtomicUsize,
}

impl Wake for Busy {
    fn wake(self: Arc<Self>) {
        let woken = self.woken.fetch_add(1, Ordering::SeqCst) + 1;
        if woken == 50 {
            return;
        }
        let mut source = signal(Signal::Usr1).unwrap();
        let waker = Waker::from(self.clone());
        assert!(Pin::new(&mut source).poll(&mut Context::from_waker(&waker)).is_pending());
        let old = self.next.lock().unwrap().replace(source);
        drop(old);
        raise(Signal::Usr1);
    }
}

/// Wakers are woken with no lock held, so they may call into the hub.
#[test]
fn reentrant_waker() {
    let _watchdog = support::watchdog();
    alone(|| {
        let busy = Arc::new(Busy { next: Mutex::default(), woken: AtomicUsize::new(0) });
        Waker::from(busy.clone()).wake();
        let give_up = Instant::now() + LIMIT;
        while busy.woken.load(Ordering::SeqCst) < 50 {
            assert!(Instant::now() < give_up);
            thread::yield_now();
        }
        raise_heard(Signal::Usr1);
    });
}

/// A waker that panics does not affect other sources, now or later.
#[test]
fn waker_panics() {
    struct Hostile;
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    let _watchdog = support::watchdog();
    alone(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref() != Some(&"on purpose") {
                usual(info);
            }
        }));
        let wakes = Wakes::new();
        let hostile = Waker::from(Arc::new(Hostile));
        let mut sources: Vec<_> = (0..9).map(|_| signal(Signal::Usr1).unwrap()).collect();
        for (index, source) in sources.iter_mut().enumerate() {
            let waker = if index % 3 == 1 { hostile.clone() } else { wakes.waker() };
            assert!(Pin::new(source).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        raise_heard(Signal::Usr1);
        assert_eq!(wakes.count(), 6);
        raise_heard(Signal::Usr1);
    });
}
