//! Which task gets the result of a member: the one that awaits its handle, or the owner of the group.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use cancelable::group::TaskError;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, Wakes, poll_once};

#[test]
fn g18_join_returns_all_in_order_of_spawning() {
    let _watchdog = support::watchdog();
    let (executor, wakes) = (ByHand::new(), Wakes::new());
    let group = executor.group::<_, String>();
    let gates: Vec<_> = (0..3).map(|_| Gate::new()).collect();
    for (number, gate) in gates.iter().enumerate() {
        let pass = gate.pass();
        group.spawn(async move {
            pass.await;
            number
        });
    }
    let mut join = pin!(group.join());
    assert!(wakes.poll(join.as_mut()).is_pending());
    for gate in gates.iter().rev() {
        assert_eq!(wakes.count(), 0, "only the last end wakes");
        gate.open();
        executor.run_all();
    }
    assert_eq!(wakes.count(), 1);
    let results = wakes.poll(join.as_mut());
    assert_eq!(results, Poll::Ready(Ok(vec![Ok(0), Ok(1), Ok(2)])));
}

#[test]
fn g18_result_goes_to_a_handle_or_to_the_group() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, String>();
    let awaited = group.spawn(async { "awaited" });
    let left = group.spawn(async { "left" });
    group.spawn(async { "detached" });
    let kept = group.spawn(async { "kept" });
    executor.run();
    assert_eq!(poll_once(pin!(awaited)), Poll::Ready(Ok("awaited")));
    assert!(left.is_finished());
    drop(left);
    assert_eq!(poll_once(pin!(group.join())), Poll::Ready(Ok(vec![Ok("left"), Ok("detached")])));
    assert_eq!(poll_once(pin!(kept)), Poll::Ready(Ok("kept")), "also after the end of the group");
}

/// The second member has the place that the first one had before its handle was dropped.
#[test]
fn result_of_a_detached_member_is_not_taken_for_that_of_a_later_one() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, String>();
    let gates = [Gate::new(), Gate::new()];
    let [first, second] = gates.each_ref().map(Gate::pass);
    drop(group.spawn(async move {
        first.await;
        "first"
    }));
    let handle = group.spawn(async move {
        second.await;
        "second"
    });
    gates[0].open();
    executor.run_all();
    assert!(!handle.is_finished());
    assert_eq!(group.take_results(), [Ok("first")]);
    gates[1].open();
    executor.run_all();
    assert_eq!(poll_once(pin!(handle)), Poll::Ready(Ok("second")));
}

#[test]
fn handle_is_woken_once() {
    let _watchdog = support::watchdog();
    let (executor, wakes, gate) = (ByHand::new(), Wakes::new(), Gate::new());
    let group = executor.group::<_, String>();
    let pass = gate.pass();
    let mut handle = pin!(group.spawn(pass));
    executor.run();
    assert!(wakes.poll(handle.as_mut()).is_pending());
    assert!(wakes.poll(handle.as_mut()).is_pending());
    gate.open();
    executor.run_all();
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(handle.as_mut()), Poll::Ready(Ok(())));
}

#[test]
fn next_returns_results_as_they_come() {
    let _watchdog = support::watchdog();
    let (executor, wakes) = (ByHand::new(), Wakes::new());
    let group = executor.group::<_, String>();
    let gates = [Gate::new(), Gate::new()];
    for (number, gate) in gates.iter().enumerate() {
        let pass = gate.pass();
        group.spawn(async move {
            pass.await;
            number
        });
    }
    {
        let mut dropped = Box::pin(group.next());
        assert!(wakes.poll(dropped.as_mut()).is_pending());
    }
    let results = group.handle();
    let mut next = pin!(results.next());
    assert!(wakes.poll(next.as_mut()).is_pending());
    gates[1].open();
    executor.run_all();
    assert_eq!(wakes.count(), 1, "one that was dropped is not woken");
    assert_eq!(wakes.poll(next.as_mut()), Poll::Ready(Some(Ok(1))));
    let mut next = pin!(results.next());
    assert!(wakes.poll(next.as_mut()).is_pending());
    gates[0].open();
    executor.run_all();
    assert_eq!(wakes.poll(next.as_mut()), Poll::Ready(Some(Ok(0))));
    assert_eq!(poll_once(pin!(results.next())), Poll::Ready(None));
    assert_eq!(poll_once(pin!(group.join())), Poll::Ready(Ok(vec![])));
}

#[test]
fn next_ends_when_the_last_result_goes_to_a_handle() {
    let _watchdog = support::watchdog();
    let (executor, wakes, gate) = (ByHand::new(), Wakes::new(), Gate::new());
    let group = executor.group::<_, String>();
    let handle = group.spawn(gate.pass());
    executor.run();
    let mut next = pin!(group.next());
    assert!(wakes.poll(next.as_mut()).is_pending());
    gate.open();
    executor.run_all();
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(next.as_mut()), Poll::Ready(None));
    assert!(handle.is_finished());
}

#[test]
fn dropped_next_leaves_other_waiters() {
    let _watchdog = support::watchdog();
    let (executor, wakes) = (ByHand::new(), Wakes::new());
    let group = executor.group::<_, String>();
    let gates = [Gate::new(), Gate::new()];
    gates.iter().for_each(|gate| drop(group.spawn(gate.pass())));
    executor.run();
    let mut woken = Box::pin(group.next());
    assert!(poll_once(woken.as_mut()).is_pending());
    gates[0].open();
    executor.run_all();
    assert_eq!(poll_once(pin!(group.next())), Poll::Ready(Some(Ok(()))));
    // This waiter now has the place in the wait list that `woken` had, so dropping `woken` must not remove it.
    let mut waiting = pin!(group.next());
    assert!(wakes.poll(waiting.as_mut()).is_pending());
    drop(woken);
    gates[1].open();
    executor.run_all();
    assert_eq!(wakes.count(), 1);
}

#[test]
fn g18_nothing_is_kept_of_a_member_whose_result_was_taken() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let value = Arc::new(());
    let group = executor.group::<_, String>();
    let discarding = executor.group::<_, String>().discard_results();
    for _ in 0..10 {
        let (kept, dropped) = (value.clone(), value.clone());
        group.spawn(async move { kept });
        discarding.spawn(async move { dropped });
    }
    executor.run();
    assert_eq!(Arc::strong_count(&value), 1 + 10, "results that nothing has taken");
    assert_eq!(group.take_results().len(), 10);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(group.is_empty() && discarding.is_empty());
    assert_eq!(poll_once(pin!(discarding.join())), Poll::Ready(Ok(vec![])));
}

#[test]
fn errors_print_and_have_sources() {
    let failed: TaskError<std::io::Error> = TaskError::Failed(std::io::Error::other("no disk"));
    assert_eq!(failed.to_string(), "no disk");
    let panicked: TaskError = TaskError::Panicked("out of cheese".into());
    assert_eq!(panicked.to_string(), "panicked: out of cheese");
    assert!(!panicked.is_cancelled());
}
