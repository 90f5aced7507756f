//! Many sources: one signal reaches all of them, at the cost of one.

use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};

use cancelable::prelude::*;
use cancelable::source::SignalSource;

use crate::alone::{alone, raise, raise_heard};
use crate::support::{self, Wakes, block_on, poll_once};

const MANY: usize = 10_000;

#[test]
fn all_fire() {
    let _watchdog = support::watchdog();
    alone(|| {
        let wakes = Wakes::new();
        let mut sources: Vec<SignalSource> =
            (0..MANY).map(|_| signal(Signal::Usr1).unwrap()).collect();
        for source in &mut sources {
            assert!(wakes.poll(Pin::new(source)).is_pending());
        }
        raise(Signal::Usr1);
        wakes.wait(MANY);
        for source in &mut sources {
            let reason = Reason::signal(Signal::Usr1);
            assert_eq!(wakes.poll(Pin::new(source)), std::task::Poll::Ready(reason));
        }
        assert_eq!(wakes.count(), MANY);
    });
}

#[test]
fn sources_of_all_kinds() {
    let _watchdog = support::watchdog();
    alone(|| {
        let wakes = Wakes::new();
        let sets = [
            [Signal::Int, Signal::Int],
            [Signal::Int, Signal::Term],
            [Signal::Usr1, Signal::Int],
            [Signal::Hup, Signal::Term],
        ];
        let mut sources: Vec<_> =
            (0..MANY).map(|index| signals(sets[index % 4]).unwrap()).collect();
        for source in &mut sources {
            assert!(wakes.poll(Pin::new(source)).is_pending());
        }
        raise_heard(Signal::Int);
        assert_eq!(wakes.count(), MANY / 4 * 3);
        for (index, source) in sources.iter_mut().enumerate() {
            assert_eq!(wakes.poll(Pin::new(source)).is_ready(), index % 4 != 3);
        }
        raise_heard(Signal::Term);
        assert_eq!(wakes.count(), MANY);
    });
}

#[test]
fn dropped_source() {
    let _watchdog = support::watchdog();
    alone(|| {
        let (kept, gone) = (Wakes::new(), Wakes::new());
        let mut sources: Vec<_> =
            (0..100).map(|index| (index, signal(Signal::Usr1).unwrap())).collect();
        for (index, source) in &mut sources {
            let wakes = if *index % 2 == 0 { &kept } else { &gone };
            assert!(wakes.poll(Pin::new(source)).is_pending());
        }
        sources.retain(|(index, _)| index % 2 == 0);
        raise_heard(Signal::Usr1);
        assert_eq!((kept.count(), gone.count()), (50, 0));
    });
}

#[test]
fn fired_source() {
    let _watchdog = support::watchdog();
    alone(|| {
        let one = signal(Signal::Usr1).unwrap();
        let mut later = signal(Signal::Usr1).unwrap();
        raise(Signal::Usr1);
        block_on(one);
        // The later source is polled long after the first source was dropped, and after more signals.
        raise_heard(Signal::Usr1);
        assert!(poll_once(Pin::new(&mut later)).is_ready());
    });
}

#[test]
fn created_later() {
    let _watchdog = support::watchdog();
    alone(|| {
        let first = signal(Signal::Usr1).unwrap();
        raise_heard(Signal::Usr1);
        let wakes = Wakes::new();
        let mut second = signal(Signal::Usr1).unwrap();
        assert!(wakes.poll(Pin::new(&mut second)).is_pending());
        assert_eq!(block_on(first), Reason::signal(Signal::Usr1));
        assert!(wakes.poll(Pin::new(&mut second)).is_pending());
        assert_eq!(wakes.count(), 0);
        raise(Signal::Usr1);
        wakes.wait(1);
        assert!(wakes.poll(Pin::new(&mut second)).is_ready());
    });
}

/// The end of an inner source does not affect the outer source.
#[test]
fn nested() {
    let _watchdog = support::watchdog();
    alone(|| {
        let outer = async {
            let inner = std::future::pending::<()>().cancelable(termination().unwrap());
            raise(Signal::Term);
            assert!(inner.await.unwrap_err().is_signal());
            // The outer source has fired as well, so this await is the last.
            std::future::pending::<()>().await;
        };
        let outer = outer.cancelable(termination().unwrap());
        assert_eq!(block_on(outer).unwrap_err().reason(), &Reason::signal(Signal::Term));
    });
}

/// Returns the number of entries of a directory in `/proc/self`.
#[cfg(target_os = "linux")]
fn count(of: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn constant_resources() {
    let _watchdog = support::watchdog();
    alone(|| {
        let (threads_without, descriptors_without) = (count("task"), count("fd"));
        let mut first = termination().unwrap();
        assert!(poll_once(Pin::new(&mut first)).is_pending());
        raise_heard(Signal::Int);
        let (threads, descriptors) = (count("task"), count("fd"));
        assert!(threads <= threads_without + 1, "{threads} threads, {threads_without} before");
        // The reactor's, and three for each of the three kinds of signals.
        let most = descriptors_without + 3 + 3 * 3;
        assert!(descriptors <= most, "{descriptors} descriptors, {descriptors_without} before");

        let mut sources: Vec<_> = (0..MANY).map(|_| termination().unwrap()).collect();
        for source in &mut sources {
            assert!(poll_once(Pin::new(source)).is_pending());
        }
        assert_eq!((count("task"), count("fd")), (threads, descriptors));
        raise_heard(Signal::Term);
        assert_eq!((count("task"), count("fd")), (threads, descriptors));
        drop(sources);
        for _ in 0..MANY {
            drop(termination().unwrap());
        }
        assert_eq!((count("task"), count("fd")), (threads, descriptors));
    });
}

/// A waker that blocks the reactor's thread until it is released.
struct Keeps {
    entered: mpsc::SyncSender<()>,
    let_go: Mutex<mpsc::Receiver<()>>,
}

impl Wake for Keeps {
    fn wake(self: Arc<Self>) {
        self.entered.send(()).unwrap();
        let _ = self.let_go.lock().unwrap().recv();
    }
}

/// If more signals of one kind arrive than fit into their queue, a signal of another kind is not lost.
#[test]
fn flood() {
    let _watchdog = support::watchdog();
    alone(|| {
        let (entered, has_entered) = mpsc::sync_channel(1);
        let (go, let_go) = mpsc::channel();
        let keeps = Waker::from(Arc::new(Keeps { entered, let_go: Mutex::new(let_go) }));
        let mut keeper = signal(Signal::Hup).unwrap();
        assert!(Pin::new(&mut keeper).poll(&mut Context::from_waker(&keeps)).is_pending());
        let _flooded = signal(Signal::Usr1).unwrap();
        let wakes = Wakes::new();
        let mut other = signal(Signal::Term).unwrap();
        assert!(wakes.poll(Pin::new(&mut other)).is_pending());

        raise(Signal::Hup);
        has_entered.recv().unwrap();
        for _ in 0..2_000 {
            raise(Signal::Usr1);
        }
        raise(Signal::Term);
        go.send(()).unwrap();
        wakes.wait(1);
        assert!(wakes.poll(Pin::new(&mut other)).is_ready());
    });
}
