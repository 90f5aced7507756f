//! Guarantee 4: the first reason wins, and later calls to cancel return `false`.

use std::pin::pin;
use std::sync::Barrier;
use std::thread;

use cancelable::prelude::*;

use crate::support::{self, poll_once};

#[test]
fn g04_second_cancel_returns_false() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert!(token.cancel_with("first"));
    assert!(!token.cancel_with("second"));
    assert!(!token.cancel());
    assert!(!token.clone().cancel_with(Reason::Disconnected));
    drop(token.drop_guard());
    assert_eq!(token.reason(), Some(Reason::manual("first")));
    assert_eq!(token.check().unwrap_err().into_reason(), Reason::manual("first"));
    assert!(poll_once(pin!(token.cancelled())).is_ready());
}

#[test]
fn g04_second_cancel_wakes_and_runs_nothing() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let runs = support::Tally::new();
    let counted = runs.clone();
    token
        .on_cancel(move |_| {
            counted.polls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        })
        .detach();
    let wakes = support::Wakes::new();
    let mut waiting = pin!(token.cancelled());
    assert!(wakes.poll(waiting.as_mut()).is_pending());
    token.cancel();
    assert_eq!((wakes.count(), runs.polls()), (1, 1));
    for _ in 0..3 {
        assert!(!token.cancel());
    }
    assert_eq!((wakes.count(), runs.polls()), (1, 1));
}

#[test]
fn g04_cancelled_child_keeps_its_reason() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let linked = CancellationToken::linked([&parent]);
    assert!(child.cancel_with("child"));
    assert!(linked.cancel_with("linked"));
    assert!(parent.cancel_with("parent"), "nobody had cancelled the parent");
    assert_eq!(child.reason(), Some(Reason::manual("child")));
    assert_eq!(linked.reason(), Some(Reason::manual("linked")));

    let parent = CancellationToken::new();
    let child = parent.child_token();
    parent.cancel_with("parent");
    assert!(!child.cancel_with("too late"));
    assert_eq!(child.reason(), Some(Reason::parent(Reason::manual("parent"))));
}

#[test]
fn g04_one_of_many_threads_wins() {
    const THREADS: usize = 4;
    let _watchdog = support::watchdog();
    for _ in 0..200 {
        let token = CancellationToken::new();
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let hears = heard.clone();
        token.on_cancel(move |reason| hears.lock().unwrap().push(reason.clone())).detach();
        let barrier = Barrier::new(THREADS);
        let winners: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|number| {
                    let (token, barrier) = (&token, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        let won = token.cancel_with(number.to_string());
                        // Whether or not this call won, the token is cancelled when it returns.
                        let reason = token.reason().expect("cancelled by now");
                        (won.then_some(number), reason)
                    })
                })
                .collect();
            let ends: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(ends.iter().all(|(_, reason)| *reason == ends[0].1), "all read one reason");
            ends.into_iter().filter_map(|(won, _)| won).collect()
        });
        assert_eq!(winners.len(), 1, "{winners:?}");
        let reason = Reason::manual(winners[0].to_string());
        assert_eq!(token.reason(), Some(reason.clone()));
        assert_eq!(*heard.lock().unwrap(), [reason]);
    }
}
