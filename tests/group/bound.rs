//! Groups that bound how many members run at once.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cancelable::TaskGroup;
use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, Log, poll_once};

#[test]
fn g18_queued_members_start_in_order() {
    let _watchdog = support::watchdog();
    let (executor, log) = (ByHand::new(), Log::new());
    let group = executor.group::<_, String>().at_most(2);
    let gates: Vec<_> = (0..5).map(|_| Gate::new()).collect();
    for (number, gate) in gates.iter().enumerate() {
        let (log, pass) = (log.clone(), gate.pass());
        group.spawn(async move {
            log.note(number);
            pass.await;
        });
    }
    executor.run();
    assert_eq!(log.take(), ["0", "1"]);
    assert_eq!((executor.spawned(), group.len()), (2, 5));
    gates[1].open();
    executor.run_all();
    assert_eq!(log.take(), ["2"]);
    gates[0].open();
    gates[2].open();
    executor.run_all();
    assert_eq!(log.take(), ["3", "4"]);
    gates[3].open();
    gates[4].open();
    executor.run_all();
    assert!(group.is_empty());
}

#[test]
fn g18_member_cancelled_in_the_queue_never_starts() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>().at_most(1);
    let running = group.spawn(async { pending().await });
    let queued = group.spawn(async { unreachable!("it never starts") });
    executor.run();
    group.operation().cancel_with("stop");
    assert!(queued.is_finished(), "at once");
    assert!(!running.is_finished());
    executor.run();
    assert_eq!(executor.spawned(), 1);
    let late = group.spawn(async { unreachable!("it never starts") });
    assert_eq!(executor.spawned(), 1);
    for member in [running, queued, late] {
        let Poll::Ready(Err(error)) = poll_once(pin!(member)) else { panic!("it has ended") };
        assert_eq!(error.to_string(), "parent cancelled: stop");
    }
}

#[test]
fn long_queue_needs_no_stack() {
    let _watchdog = support::watchdog();
    // The spawner polls each task to its end before it returns.
    let group = TaskGroup::<_, String>::fallible(futures::executor::block_on).at_most(1);
    let handle = group.handle();
    let sum = group.spawn(async move {
        (0..100_000_u64).for_each(|number| drop(handle.spawn(async move { number })));
        0
    });
    assert_eq!(poll_once(pin!(sum)), Poll::Ready(Ok(0)));
    let Poll::Ready(Ok(all)) = poll_once(pin!(group.try_join())) else { panic!("all have ended") };
    assert!(all.into_iter().eq(0..100_000));

    let executor = ByHand::new();
    let group = executor.group::<(), String>().at_most(1);
    (0..100_000).for_each(|_| drop(group.spawn(pending())));
    let results = group.handle();
    drop(group);
    executor.run();
    assert_eq!((results.take_results().len(), executor.spawned()), (100_000, 1));
}

#[test]
fn bound_holds_on_threads() {
    let _watchdog = support::watchdog();
    let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let group = TaskGroup::<_, String>::fallible(|task| smol::spawn(task).detach()).at_most(3);
    for _ in 0..1_000 {
        let (running, peak) = (running.clone(), peak.clone());
        group.spawn(async move {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(now, Ordering::SeqCst);
            smol::future::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
        });
    }
    assert_eq!(support::block_on(group.try_join()).unwrap().len(), 1_000);
    assert!((1..=3).contains(&peak.load(Ordering::SeqCst)));
}

#[test]
#[should_panic(expected = "room for at least one member")]
fn bound_of_zero_panics() {
    let _group = ByHand::new().group::<(), String>().at_most(0);
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

#[test]
fn spawner_that_refuses_lets_the_next_one_start() {
    let _watchdog = support::watchdog();
    let spawned = Arc::new(Mutex::new(Vec::<Task>::new()));
    let calls = Arc::new(AtomicUsize::new(0));
    let kept = spawned.clone();
    let group =
        TaskGroup::<(), String>::fallible(move |task| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => drop(task),
            1 => panic!("no more tasks"),
            _ => kept.lock().unwrap().push(task),
        });
    let group = group.at_most(1);
    let handles: Vec<_> = (0..3).map(|_| group.spawn(async {})).collect();
    assert_eq!(
        handles.iter().map(|handle| handle.is_finished()).collect::<Vec<_>>(),
        [true, true, false]
    );
    for handle in handles.into_iter().take(2) {
        let Poll::Ready(Err(error)) = poll_once(pin!(handle)) else { panic!("it has ended") };
        assert_eq!(error, Cancelled::new(Reason::Dropped).into());
    }
    assert_eq!((spawned.lock().unwrap().len(), group.len()), (1, 1));
}
