//! Time limits while the reactor cannot be created, because no file descriptors are left.
//!
//! The limit on descriptors applies to the process, so this is one test, alone in its process.

#![cfg(all(target_os = "linux", feature = "time"))]

#[path = "../support/mod.rs"]
mod support;

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use futures::StreamExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use support::Wakes;

static PANICS: AtomicUsize = AtomicUsize::new(0);

type BoxFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Returns futures that need a time limit in their first polls, and would never end without one.
fn futures() -> Vec<(&'static str, BoxFuture)> {
    let long = Duration::from_secs(60);
    let check = move || condition(|| false).every(long);
    let stream = futures::stream::pending::<()>();
    vec![
        ("timeout", Box::pin(async move { drop(timeout(long).await) })),
        ("deadline", Box::pin(async move { drop(deadline(Instant::now() + long).await) })),
        ("race", Box::pin(async move { drop(pending::<()>().cancelable(timeout(long)).await) })),
        ("condition", Box::pin(async move { drop(pending::<()>().cancelable(check()).await) })),
        ("shield_for", Box::pin(async move { shield_for(long, pending::<()>()).await })),
        (
            "idle_timeout",
            Box::pin(async move {
                drop(stream.cancelable_stream(never()).idle_timeout(long).next().await);
            }),
        ),
        (
            "finally_for",
            Box::pin(async move {
                let race = async {}.cancelable(never());
                drop(race.finally_for(long, |_| pending()).await);
            }),
        ),
        (
            "grace",
            Box::pin(async move {
                let mut polled = false;
                let work = std::future::poll_fn(move |_| {
                    if !std::mem::replace(&mut polled, true) {
                        Operation::current().unwrap().cancel();
                    }
                    std::task::Poll::<()>::Pending
                });
                drop(work.cancelable(never()).grace(long).await);
            }),
        ),
        (
            "shutdown",
            Box::pin(async move {
                let registry = Registry::new();
                // The operation has a grace period, and does not end within it.
                let member = pending::<()>().cancelable(never()).grace(long);
                let mut member = Box::pin(member.registered_in(&registry));
                assert!(Wakes::new().poll(member.as_mut()).is_pending());
                drop(registry.shutdown(Duration::ZERO).grace(long).await);
            }),
        ),
    ]
}

#[test]
fn failure_is_reported_once() {
    let _watchdog = support::watchdog();
    let this = std::thread::current().id();
    std::panic::set_hook(Box::new(move |_| {
        // The reactor's own thread fails as well.
        if std::thread::current().id() == this {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..before }).unwrap();
    let mut failures = Vec::new();
    for (name, mut future) in futures() {
        PANICS.store(0, Ordering::Relaxed);
        let wakes = Wakes::new();
        for _ in 0..10 {
            match catch_unwind(AssertUnwindSafe(|| wakes.poll(future.as_mut()).is_ready())) {
                Ok(false) => {}
                // A future may be polled again neither after it has returned its outcome nor after it has panicked.
                Ok(true) | Err(_) => break,
            }
        }
        let panics = PANICS.load(Ordering::Relaxed);
        if panics != 1 {
            failures.push(format!("{name}: {panics} panics"));
        }
    }
    // A source is not an `async` block: it may be polled again after a poll has panicked.
    let mut limit = timeout(Duration::from_millis(1));
    let wakes = Wakes::new();
    let first = catch_unwind(AssertUnwindSafe(|| wakes.poll(Pin::new(&mut limit))));
    let second = catch_unwind(AssertUnwindSafe(|| wakes.poll(Pin::new(&mut limit))));
    // Gives the reactor's thread time to end.
    std::thread::sleep(Duration::from_millis(100));
    setrlimit(Resource::Nofile, before).unwrap();
    drop(std::panic::take_hook());

    assert_eq!(failures, Vec::<String>::new());
    assert!(first.is_err() && second.unwrap().is_pending());
    // Once there are descriptors again, limits work again, and not only the first of them.
    let limit = Duration::from_millis(2);
    for _ in 0..3 {
        assert_eq!(support::block_on(timeout(limit)), Reason::timeout(limit));
    }
}
