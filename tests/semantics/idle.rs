//! Guarantees 8 and 14: pending sources are cheap.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use cancelable::prelude::*;
use cancelable::source::BoxSource;

use crate::callbacks::{OnWake, poll_with};
use crate::support::{self, Log, Tally, Wakes, kept, work};

/// Returns one of each kind of source that registers. None of them fires in these tests.
fn sources(token: &CancellationToken) -> Vec<(&'static str, BoxSource<'_>)> {
    let mut sources: Vec<(&'static str, BoxSource<'_>)> = vec![
        ("token", Box::pin(token.cancelled())),
        ("owned token", Box::pin(token.clone().cancelled_owned())),
        ("child", Box::pin(token.child_token().cancelled_owned())),
        ("OR of a tuple", Box::pin(any_of((never(), token)))),
        ("OR of an array", Box::pin(any_of([token, token]))),
        ("AND of a tuple", Box::pin(all_of((never(), token)))),
        ("AND of an array", Box::pin(all_of([token, token]))),
        ("AND of a long list", Box::pin(all_of(vec![token; 100]))),
    ];
    sources.push(("because", Box::pin(token.cancelled().because("that"))));
    #[cfg(feature = "time")]
    {
        use std::time::{Duration, Instant};
        let hour = Duration::from_secs(3600);
        sources.push(("timeout", Box::pin(timeout(hour))));
        sources.push(("deadline", Box::pin(deadline(Instant::now() + hour))));
        sources.push(("condition", Box::pin(condition(|| false).every(hour))));
        sources.push(("timeout or token", Box::pin(any_of((timeout(hour), token)))));
        sources.push(("timeout and token", Box::pin(all_of((timeout(hour), token)))));
    }
    #[cfg(all(unix, feature = "signal"))]
    sources.push(("signal", Box::pin(signal(Signal::Usr2).unwrap())));
    sources
}

#[test]
fn g08_same_waker_is_registered_once() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    for (name, mut source) in sources(&token) {
        let wakes = Wakes::new();
        let waker = wakes.waker();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(source.as_mut().poll(&mut cx).is_pending());
        let registered = kept(&wakes);
        assert!(registered > 1, "{name} has registered");
        for _ in 0..100 {
            assert!(source.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(kept(&wakes), registered, "{name}");
        drop(source);
        assert_eq!(kept(&wakes), 1, "{name} leaves nothing behind but `waker`");
    }
}

#[test]
fn g08_same_waker_is_not_cloned() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    for (name, mut source) in sources(&token) {
        let wakes = Wakes::new();
        let waker = wakes.waker();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(source.as_mut().poll(&mut cx).is_pending());
        // Polled twice, because a long list registers only at its second poll.
        assert!(source.as_mut().poll(&mut cx).is_pending());

        // Another thread watches the number of clones all the time. It may miss a clone in one poll, but hardly in all of
        // these polls. It never counts too many.
        let registered = kept(&wakes);
        let (polled, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
        let most = thread::scope(|scope| {
            let spy = scope.spawn(|| {
                let mut most = 0;
                while !polled.load(Ordering::Relaxed) {
                    most = most.max(Arc::strong_count(&wakes) - 1);
                    looks.fetch_add(1, Ordering::Relaxed);
                }
                most
            });
            let mut polls = 0;
            while polls < 20_000 || looks.load(Ordering::Relaxed) < 20_000 {
                assert!(source.as_mut().poll(&mut cx).is_pending());
                polls += 1;
            }
            polled.store(true, Ordering::Relaxed);
            spy.join().unwrap()
        });
        assert_eq!(most, registered, "{name} clones the waker");
    }
}

#[test]
fn g08_new_waker_replaces_the_old_one() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let sources = sources(&token);
    for (name, mut source) in sources {
        let (old, new) = (Wakes::new(), Wakes::new());
        assert!(old.poll(source.as_mut()).is_pending());
        assert!(new.poll(source.as_mut()).is_pending());
        assert_eq!(kept(&old), 0, "{name} has let go of the waker before");
        assert!(kept(&new) > 0, "{name} has the new one");
    }

    let (old, new) = (Wakes::new(), Wakes::new());
    let mut waiting = pin!(token.cancelled());
    assert!(old.poll(waiting.as_mut()).is_pending());
    assert!(new.poll(waiting.as_mut()).is_pending());
    token.cancel();
    assert_eq!((old.count(), new.count()), (0, 1));
}

/// A waker with two vtables: clones of either point to the same data.
#[derive(Default)]
struct TwoWays {
    one: AtomicUsize,
    other: AtomicUsize,
}

impl std::task::Wake for TwoWays {
    fn wake(self: Arc<Self>) {
        self.one.fetch_add(1, Ordering::Relaxed);
    }
}

impl futures::task::ArcWake for TwoWays {
    fn wake_by_ref(this: &Arc<Self>) {
        this.other.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn g08_waker_with_another_vtable_is_new() {
    let _watchdog = support::watchdog();
    let wakes = Arc::new(TwoWays::default());
    let one = std::task::Waker::from(wakes.clone());
    let other = futures::task::waker(wakes.clone());
    assert_eq!(one.data(), other.data());

    let token = CancellationToken::new();
    let mut waiting = pin!(token.cancelled());
    for waker in [&one, &other] {
        let mut cx = std::task::Context::from_waker(waker);
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
    }
    token.cancel();
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    assert_eq!((count(&wakes.one), count(&wakes.other)), (0, 1));
}

#[test]
fn g08_two_waiters_are_two_entries() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let wakes: Vec<_> = (0..100).map(|_| Wakes::new()).collect();
    let mut waiting: Vec<_> = wakes.iter().map(|_| Box::pin(token.cancelled())).collect();
    for _ in 0..3 {
        for (wakes, waiting) in wakes.iter().zip(&mut waiting) {
            assert!(wakes.poll(waiting.as_mut()).is_pending());
        }
    }
    // Every second waiter leaves, and its entry in the list is reused.
    for i in (0..100).rev().step_by(2) {
        drop(waiting.remove(i));
    }
    let late = Wakes::new();
    let mut latecomer = pin!(token.cancelled());
    assert!(late.poll(latecomer.as_mut()).is_pending());
    token.cancel();
    let counts: Vec<_> = wakes.iter().map(|wakes| wakes.count()).collect();
    assert_eq!(counts, [1, 0].repeat(50));
    assert_eq!(late.count(), 1);
}

#[test]
fn g08_ready_work_registers_nothing() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    for (name, source) in sources(&token) {
        if name == "AND of a long list" {
            // It is polled by a list of `futures`, which passes its own wakers to its sources.
            continue;
        }
        let wakes = Wakes::new();
        let worker = work(|_| {
            assert_eq!(kept(&wakes), 1, "{name} was only asked: there is the one that polls");
            std::task::Poll::Ready(())
        });
        assert!(wakes.poll(pin!(worker.cancelable(source))).is_ready());
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn g08_source_registers_after_pending_work() {
    let _watchdog = support::watchdog();
    // Waiters of a new token are woken in the order in which they registered.
    let token = CancellationToken::new();
    let log = Log::new();
    let waker_of = |name| {
        let log = log.clone();
        OnWake::waker(move || log.note(name))
    };
    let mut inner = token.cancelled();
    let worker = work(|_| {
        let polled = poll_with(&waker_of("within the work"), Pin::new(&mut inner));
        polled.map(|_reason| ())
    });
    let mut race = pin!(worker.cancelable(&token));
    assert!(poll_with(&waker_of("the race"), race.as_mut()).is_pending());
    token.cancel();
    assert_eq!(log.take(), ["within the work", "the race"]);
}

#[test]
fn g08_race_registers_once() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    for (name, source) in sources(&token) {
        let wakes = Wakes::new();
        let tally = Tally::new();
        let mut race = Box::pin(tally.ready_at(0).cancelable(source));
        assert!(wakes.poll(race.as_mut()).is_pending());
        let registered = kept(&wakes);
        for _ in 0..100 {
            assert!(wakes.poll(race.as_mut()).is_pending());
        }
        assert_eq!(kept(&wakes), registered, "{name}");
        assert_eq!(tally.polls(), 101);
        drop(race);
        assert_eq!(kept(&wakes), 0, "{name}");
    }
    let mut race = pin!(pending::<()>().cancelable(&token));
    let wakes = Wakes::new();
    assert!(wakes.poll(race.as_mut()).is_pending());
    token.cancel();
    assert_eq!(wakes.count(), 1);
}

#[test]
fn g14_sources_spawn_no_task() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let token = CancellationToken::new();
        let wakes = Wakes::new();
        let mut pending: Vec<_> = sources(&token)
            .into_iter()
            .map(|(_, source)| Box::pin(Tally::new().ready_at(0).cancelable(source)))
            .collect();
        for race in &mut pending {
            assert!(wakes.poll(race.as_mut()).is_pending());
        }
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    });
}

#[test]
fn g14_token_reads_take_no_lock() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Keeps the locks of the token busy.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let wakes = Wakes::new();
                let mut waiting = Box::pin(token.cancelled());
                let _ = wakes.poll(waiting.as_mut());
                drop((token.child_token(), token.on_cancel(|_| {})));
            }
        });
        for _ in 0..10_000 {
            assert!(!token.is_cancelled() && token.reason().is_none() && token.check().is_ok());
        }
        token.cancel();
        assert!(token.is_cancelled() && token.reason().is_some() && token.check().is_err());
        done.store(true, Ordering::Relaxed);
    });
}
