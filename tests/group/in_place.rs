//! Members that are polled inside the future of the group.

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cancelable::group::TaskError;
use cancelable::prelude::*;

use crate::support::{self, Log, OnDrop, Wakes, poll_once};

#[test]
fn g18_members_in_place_may_borrow() {
    let _watchdog = support::watchdog();
    let pages = ["one".to_owned(), "three".to_owned(), "seven".to_owned()];
    let (total, longest) = (AtomicUsize::new(0), Mutex::new(""));
    let group = TaskGroup::in_place();
    for page in &pages {
        let (total, longest) = (&total, &longest);
        group.spawn(async move {
            total.fetch_add(page.len(), Ordering::SeqCst);
            let mut longest = longest.lock().unwrap();
            if page.len() > longest.len() {
                *longest = page;
            }
            page.as_str()
        });
    }
    assert_eq!(total.load(Ordering::SeqCst), 0, "a member started without a poll");
    let joined = poll_once(pin!(group.join()));
    assert_eq!(joined, Poll::Ready(Ok(vec![Ok("one"), Ok("three"), Ok("seven")])));
    assert_eq!((total.into_inner(), longest.into_inner().unwrap()), (13, "three"));
}

/// Polls until nothing wakes the future any more, because a group in place may wake itself.
fn poll_until_asleep<F: Future>(wakes: &Arc<Wakes>, mut future: Pin<&mut F>) -> Poll<F::Output> {
    loop {
        let before = wakes.count();
        let polled = wakes.poll(future.as_mut());
        if polled.is_ready() || wakes.count() == before {
            return polled;
        }
    }
}

#[test]
fn only_members_that_were_woken_are_polled() {
    let _watchdog = support::watchdog();
    let polls = [const { AtomicUsize::new(0) }; 3];
    let tokens = [0; 3].map(|_| CancellationToken::new());
    let group = TaskGroup::in_place();
    for (count, token) in polls.iter().zip(&tokens) {
        let mut waiting = Box::pin(token.cancelled());
        group.spawn(poll_fn(move |cx| {
            count.fetch_add(1, Ordering::SeqCst);
            waiting.as_mut().poll(cx).map(drop)
        }));
    }
    let seen = || [0, 1, 2].map(|at| polls[at].load(Ordering::SeqCst));
    let (wakes, mut join) = (Wakes::new(), pin!(group.join()));
    assert!(poll_until_asleep(&wakes, join.as_mut()).is_pending());
    assert_eq!(seen(), [1, 1, 1]);
    let before = wakes.count();
    tokens[1].cancel();
    assert_eq!(wakes.count(), before + 1);
    assert!(poll_until_asleep(&wakes, join.as_mut()).is_pending());
    assert_eq!(seen(), [1, 2, 1]);
    tokens[0].cancel();
    tokens[2].cancel();
    assert!(wakes.poll(join).is_ready());
    assert_eq!(seen(), [2, 2, 2]);
}

#[test]
fn a_new_member_wakes_the_group() {
    let _watchdog = support::watchdog();
    let group = TaskGroup::in_place();
    let handle = group.handle();
    let (wakes, mut scope) = (Wakes::new(), pin!(group.scope(never(), |_| pending::<()>())));
    assert!(wakes.poll(scope.as_mut()).is_pending());
    let mut member = pin!(handle.spawn(async { 7 }));
    assert!(poll_once(member.as_mut()).is_pending());
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(scope).is_pending());
    assert_eq!(poll_once(member), Poll::Ready(Ok(7)));
}

#[test]
fn body_and_members_in_place_wait_for_each_other() {
    let _watchdog = support::watchdog();
    let outcome = support::block_on(TaskGroup::in_place().scope(never(), async |group| {
        let token = CancellationToken::new();
        let waits = token.clone();
        let first = group.spawn(async move {
            waits.cancelled().await;
            1
        });
        group.spawn(async { 2 });
        assert_eq!(group.next().await, Some(Ok(2)));
        token.cancel();
        first.await
    }));
    assert_eq!(outcome, Ok(Ok(1)));
}

#[test]
fn members_in_place_add_members_within_a_bound() {
    let _watchdog = support::watchdog();
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let group = TaskGroup::in_place().at_most(2);
    let handle = group.handle();
    let (running, most) = (&running, &most);
    let member = move || async move {
        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        smol::future::yield_now().await;
        running.fetch_sub(1, Ordering::SeqCst);
    };
    for _ in 0..3 {
        let handle = handle.clone();
        group.spawn(async move {
            member().await;
            handle.spawn(member());
        });
    }
    assert_eq!(support::block_on(group.join()).unwrap().len(), 6);
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[test]
fn members_that_add_members_let_other_tasks_run() {
    let _watchdog = support::watchdog();
    fn chain(group: cancelable::group::GroupHandle<'_, (), String>, left: usize) {
        let next = group.clone();
        group.spawn(async move {
            if let Some(left) = left.checked_sub(1) {
                chain(next, left);
            }
        });
    }
    let group = TaskGroup::fallible_in_place().discard_results();
    chain(group.handle(), 1_000);
    let (wakes, mut join) = (Wakes::new(), pin!(group.join()));
    let mut polls = 1;
    while wakes.poll(join.as_mut()).is_pending() {
        assert!(wakes.count() >= polls, "the group sleeps");
        polls += 1;
    }
    assert!((10..500).contains(&polls), "{polls} polls");
}

#[test]
fn g18_first_failure_cancels_the_others_in_place() {
    let _watchdog = support::watchdog();
    let (log, gate, ordered) = (Log::new(), CancellationToken::new(), CancellationToken::new());
    let group = TaskGroup::fallible_in_place();
    let gone = log.on_drop("other gone");
    group.spawn(async move {
        let _gone = gone;
        pending().await
    });
    let pass = gate.clone();
    group.spawn(async move {
        shield(pass.cancelled()).await;
        pending::<u8>().await
    });
    let fails = async {
        ordered.cancelled().await;
        Err("no disk")
    };
    group.try_spawn(fails);
    let (wakes, mut join) = (Wakes::new(), pin!(group.try_join()));
    assert!(poll_until_asleep(&wakes, join.as_mut()).is_pending());
    ordered.cancel();
    assert!(poll_until_asleep(&wakes, join.as_mut()).is_pending(), "a section is not over");
    assert_eq!(log.take(), ["other gone"]);
    gate.cancel();
    assert_eq!(poll_until_asleep(&wakes, join), Poll::Ready(Err(TaskError::Failed("no disk"))));
}

#[test]
fn g18_panic_cancels_the_others_in_place() {
    let _watchdog = support::watchdog();
    let group = TaskGroup::in_place();
    let results = group.handle();
    let operation = group.operation();
    group.spawn(pending());
    group.spawn(async { panic!("out of cheese") });
    let joined = poll_once(pin!(group.join()));
    let Poll::Ready(Ok(joined)) = joined else { panic!("the results were expected") };
    let joined: Vec<Result<(), TaskError>> = joined;
    assert!(joined[0].as_ref().unwrap_err().is_cancelled());
    assert_eq!(joined[1], Err(TaskError::Panicked("out of cheese".into())));
    assert_eq!(operation.status(), Status::Failed);
    assert!(results.is_empty());
}

#[test]
fn g18_dropping_ends_members_in_place_at_once() {
    let _watchdog = support::watchdog();
    for polled in [false, true] {
        for bound in [None, Some(1)] {
            let gone = AtomicUsize::new(0);
            let mut group = TaskGroup::<()>::in_place();
            if let Some(bound) = bound {
                group = group.at_most(bound);
            }
            let (handle, operation) = (group.handle(), group.operation());
            let member = || {
                let gone = OnDrop(|| {
                    gone.fetch_add(1, Ordering::SeqCst);
                });
                async move {
                    let _gone = gone;
                    pending().await
                }
            };
            let first = group.spawn(member());
            group.spawn(member());
            group.spawn_daemon(member());
            let mut join = Box::pin(group.join());
            if polled {
                assert!(poll_once(join.as_mut()).is_pending());
            }
            drop(join);
            assert_eq!(gone.load(Ordering::SeqCst), 3, "{polled} {bound:?}");
            assert_eq!(operation.status(), Status::Cancelled);
            let Poll::Ready(Err(error)) = poll_once(pin!(first)) else { panic!("it has ended") };
            assert_eq!(error, Cancelled::new(Reason::parent(Reason::Dropped)).into());
            assert!(handle.is_closed() && handle.is_empty());
            // The handle outlives the group, but a member that it adds now is dropped at once.
            handle.spawn(member());
            assert_eq!(gone.load(Ordering::SeqCst), 4);
        }
    }
}

#[test]
fn panics_in_destructors_of_members_in_place() {
    let _watchdog = support::watchdog();
    let gone = AtomicUsize::new(0);
    let group = TaskGroup::<()>::in_place();
    for _ in 0..3 {
        let gone = OnDrop(|| {
            gone.fetch_add(1, Ordering::SeqCst);
            panic!("out of cheese");
        });
        group.spawn(async move {
            let _gone = gone;
            pending().await
        });
    }
    let handle = group.handle();
    let mut join = Box::pin(group.join());
    assert!(poll_once(join.as_mut()).is_pending());
    drop(join);
    assert_eq!((gone.load(Ordering::SeqCst), handle.len()), (3, 0));
}

#[test]
fn daemons_in_place_stop_after_the_last_other_member() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let group = TaskGroup::in_place();
    let gone = log.on_drop("daemon gone");
    group.spawn_daemon(async move {
        let _gone = gone;
        pending().await
    });
    group.spawn(async {
        smol::future::yield_now().await;
        log.note("last member");
    });
    assert_eq!(support::block_on(group.join()), Ok(vec![Ok(())]));
    assert_eq!(log.take(), ["last member", "daemon gone"]);
}
