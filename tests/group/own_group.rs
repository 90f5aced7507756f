//! Members that wait for results of their own group, or for the group itself.

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cancelable::prelude::*;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, Log, Wakes, poll_once};

#[test]
fn g18_last_member_that_waits_for_a_result_gets_none() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<usize, String>();
    for way in 0..3 {
        let handle = group.handle();
        let work = async move {
            let drain = async {
                (0..3).for_each(|_| drop(handle.spawn(async { 0 })));
                let mut results = 0;
                while handle.next().await.is_some() {
                    results += 1;
                }
                results
            };
            match way {
                0 => drain.await,
                1 => drain.cancelable(never()).named("inner").await.unwrap(),
                // The wait is inside a member of an inner group, which is polled inside the member.
                _ => {
                    let inner = TaskGroup::in_place();
                    inner.spawn(drain);
                    inner.try_join().await.unwrap()[0]
                }
            }
        };
        let member = group.spawn(work);
        executor.run();
        assert_eq!(poll_once(pin!(member)), Poll::Ready(Ok(3)), "way {way}");
    }
    let handle = group.handle();
    let work = async move { usize::from(handle.next().await.is_some()) };
    let member = group.spawn_cancelable(work.cancelable(never()));
    executor.run();
    assert_eq!(poll_once(pin!(member)), Poll::Ready(Ok(0)), "an operation");
}

#[test]
fn g18_members_that_wait_for_each_other_all_end() {
    let _watchdog = support::watchdog();
    for kept in [false, true] {
        let executor = ByHand::new();
        let group = executor.group::<usize, String>();
        let mut handles = Vec::new();
        for _ in 0..4 {
            let handle = group.handle();
            let member = group.spawn(async move {
                let mut results = 0;
                while handle.next().await.is_some() {
                    results += 1;
                }
                results
            });
            if kept {
                handles.push(member);
            }
        }
        executor.run();
        assert_eq!(executor.pending(), 0, "they wait for each other, kept: {kept}");
        // A result goes to the member's handle if the handle is alive, otherwise to a member that waits. For the result of
        // the last member, no waiting member is left, so the group keeps it.
        assert_eq!(group.take_results().len(), usize::from(!kept));
    }
}

#[test]
fn waiting_member_is_woken_when_the_others_end_or_wait() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<usize, String>();
    let (handle, gate, log) = (group.handle(), Gate::new(), Log::new());
    let (note, pass) = (log.clone(), gate.pass());
    group.spawn(async move {
        note.note(if handle.next().await.is_some() { "result" } else { "none" });
        0
    });
    let kept = group.spawn(async move {
        pass.await;
        1
    });
    executor.run();
    gate.open();
    executor.run();
    assert!(log.take().is_empty(), "the other member has not been woken");
    executor.run_all();
    assert_eq!(poll_once(pin!(kept)), Poll::Ready(Ok(1)));
    assert_eq!(log.take(), ["none"], "the result went to the handle");
}

/// If a future of `next` is moved out of a member, that member no longer counts as waiting.
#[test]
fn wait_that_moves_belongs_to_the_task_that_polls_it() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<usize, String>();
    let handle = Box::leak(Box::new(group.handle()));
    let next = Arc::new(Mutex::new(Box::pin(handle.next())));
    let (inside, gate) = (next.clone(), Gate::new());
    let pass = gate.pass();
    group.spawn(async move {
        assert!(poll_once(inside.lock().unwrap().as_mut()).is_ready(), "no other member is left");
        pass.await;
        7
    });
    executor.run();
    *next.lock().unwrap() = Box::pin(handle.next());
    let wakes = Wakes::new();
    assert!(wakes.poll(next.lock().unwrap().as_mut()).is_pending());
    gate.open();
    executor.run_all();
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(next.lock().unwrap().as_mut()), Poll::Ready(Some(Ok(7))));
}

/// How a member awaits its own group.
#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    Shielded,
    Operation,
    ShieldedOperation,
    /// With another waker than that of the member.
    OperationWithOtherWakers,
}

const WAYS: [Way; 5] = [
    Way::Plain,
    Way::Shielded,
    Way::Operation,
    Way::ShieldedOperation,
    Way::OperationWithOtherWakers,
];

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Adds a member that awaits its own group in this way. The result of the member is the number of results of the other
/// members.
fn join_inside(
    group: TaskGroup<'static, usize, String>,
    way: Way,
) -> cancelable::group::JoinHandle<usize, String> {
    let handle = group.handle();
    let join = async move { group.join().await.map_or(100, |results| results.len()) };
    let work: Boxed<usize> = match way {
        Way::Plain | Way::Operation => Box::pin(join),
        Way::Shielded | Way::ShieldedOperation => Box::pin(shield(join)),
        Way::OperationWithOtherWakers => Box::pin(async move {
            let mut unordered: FuturesUnordered<Boxed<usize>> = FuturesUnordered::new();
            unordered.push(Box::pin(join));
            unordered.next().await.unwrap()
        }),
    };
    match way {
        Way::Plain | Way::Shielded => handle.spawn(work),
        _ => handle.spawn_cancelable(work.cancelable(never()).named("member")),
    }
}

#[test]
fn g18_member_that_awaits_its_group_waits_for_the_others() {
    let _watchdog = support::watchdog();
    for way in WAYS {
        let executor = ByHand::new();
        let group = executor.group::<usize, String>().at_most(1);
        let (operation, handle, gate) = (group.operation(), group.handle(), Gate::new());
        group.spawn_daemon(pending());
        let member = join_inside(group, way);
        for _ in 0..3 {
            let pass = gate.pass();
            handle.spawn(async move {
                pass.await;
                1
            });
        }
        executor.run_all();
        assert_eq!(handle.len(), 3, "its place is free, {way:?}");
        gate.open();
        executor.run_all();
        assert_eq!(poll_once(pin!(member)), Poll::Ready(Ok(3)), "{way:?}");
        assert_eq!((executor.pending(), operation.child_count()), (0, 0), "{way:?}");
        assert_eq!(operation.status(), Status::Completed);
        assert!(handle.is_closed() && handle.is_empty());
        let ended = operation.ended();
        assert_eq!(poll_once(pin!(ended)), Poll::Ready(Status::Completed));
    }
}

#[test]
fn member_that_awaits_its_group_is_cancelled_with_it() {
    let _watchdog = support::watchdog();
    for way in WAYS {
        for stop_other_first in [false, true] {
            let executor = ByHand::new();
            let group = executor.group::<usize, String>();
            let (operation, handle) = (group.operation(), group.handle());
            handle.spawn(pending());
            let member = join_inside(group, way);
            executor.run();
            operation.cancel_with("stop");
            let order = if stop_other_first { [0, 1] } else { [1, 0] };
            for number in order {
                executor.step(number);
            }
            executor.run();
            assert_eq!(executor.pending(), 0, "{way:?}, {stop_other_first}");
            let Poll::Ready(result) = poll_once(pin!(member)) else { panic!("it has ended") };
            match way {
                Way::Shielded | Way::ShieldedOperation => {
                    assert!(result.is_err() || result == Ok(100))
                }
                _ => assert!(result.unwrap_err().is_cancelled()),
            }
            assert_eq!((operation.status(), operation.child_count()), (Status::Cancelled, 0));
        }
    }
}

#[test]
fn dropped_member_that_awaits_its_group_cancels_the_others() {
    let _watchdog = support::watchdog();
    for way in WAYS {
        let executor = ByHand::new();
        let group = executor.group::<usize, String>();
        let (operation, handle) = (group.operation(), group.handle());
        let other = handle.spawn(pending());
        let member = join_inside(group, way);
        executor.run();
        executor.drop_task(1);
        assert!(operation.is_cancelled());
        executor.run();
        let ended = (poll_once(pin!(member)), poll_once(pin!(other)));
        assert!(matches!(ended, (Poll::Ready(Err(_)), Poll::Ready(Err(_)))), "{way:?}: {ended:?}");
        assert_eq!((handle.len(), operation.child_count()), (0, 0), "{way:?}");
    }
}

/// The group counts the member again once another task polls it.
#[test]
fn group_that_moves_out_of_its_member_waits_for_it() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<usize, String>().at_most(2);
    let (handle, gate) = (group.handle(), Gate::new());
    handle.spawn(pending());
    let join: Arc<Mutex<_>> = Arc::new(Mutex::new(Box::pin(group.join())));
    let (inside, pass) = (join.clone(), gate.pass());
    handle.spawn(async move {
        assert!(poll_once(inside.lock().unwrap().as_mut()).is_pending());
        pass.await;
        7
    });
    executor.run();
    assert_eq!(handle.len(), 1);
    assert!(poll_once(join.lock().unwrap().as_mut()).is_pending());
    assert_eq!(handle.len(), 2);
    executor.drop_task(0);
    assert!(poll_once(join.lock().unwrap().as_mut()).is_pending());
    gate.open();
    executor.run_all();
    let Poll::Ready(results) = poll_once(join.lock().unwrap().as_mut()) else { panic!("no end") };
    assert_eq!(results.unwrap()[1], Ok(7));
}

#[test]
fn panics_of_members_leave_no_current_member() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<usize, String>().keep_going();
    group.spawn(poll_fn(|_| panic!("out of cheese")));
    executor.run();
    drop(group.take_results());
    let gate = Gate::new();
    let pass = gate.pass();
    group.spawn(async move {
        pass.await;
        7
    });
    executor.run();
    let mut next = pin!(group.next());
    assert!(poll_once(next.as_mut()).is_pending(), "this task is no member");
    gate.open();
    executor.run_all();
    assert_eq!(poll_once(next), Poll::Ready(Some(Ok(7))));
}

/// A handle that its own member polls. `own` passes the handle to the member.
type Own = Arc<Mutex<Option<cancelable::group::JoinHandle<usize, String>>>>;

#[test]
fn g18_member_that_awaits_its_own_handle_gets_an_error() {
    let _watchdog = support::watchdog();
    let refused = || Err(Cancelled::new("a member cannot wait for itself").into());
    let executor = ByHand::new();
    let group = executor.group::<usize, String>();
    for way in [Way::Plain, Way::Shielded, Way::Operation, Way::ShieldedOperation] {
        let (own, got) = (Own::default(), Arc::new(Mutex::new(None)));
        let (of_member, result) = (own.clone(), got.clone());
        let work = async move {
            let handle = of_member.lock().unwrap().take().unwrap();
            *result.lock().unwrap() = Some(handle.await);
            7
        };
        let work: Boxed<usize> = match way {
            Way::Shielded | Way::ShieldedOperation => Box::pin(shield(work)),
            _ => Box::pin(work),
        };
        let handle = match way {
            Way::Plain | Way::Shielded => group.spawn(work),
            _ => group.spawn_cancelable(work.cancelable(never())),
        };
        *own.lock().unwrap() = Some(handle);
        executor.run();
        assert_eq!(got.lock().unwrap().take(), Some(refused()), "{way:?}");
        assert_eq!(group.take_results(), [Ok(7)], "{way:?}");
    }
}

/// After the cancellation, the race of the member polls the shield with a waker of its own.
#[test]
fn g18_own_handle_in_a_shield_after_the_cancellation() {
    let _watchdog = support::watchdog();
    for way in [Way::Shielded, Way::ShieldedOperation] {
        let executor = ByHand::new();
        let group = executor.group::<usize, String>();
        let (own, got, gate) = (Own::default(), Arc::new(Mutex::new(None)), Gate::new());
        let (of_member, result, pass) = (own.clone(), got.clone(), gate.pass());
        let work = shield(async move {
            pass.await;
            let handle = of_member.lock().unwrap().take().unwrap();
            *result.lock().unwrap() = Some(handle.await);
            7
        });
        let handle = match way {
            Way::Shielded => group.spawn(work),
            _ => group.spawn_cancelable(work.cancelable(never())),
        };
        *own.lock().unwrap() = Some(handle);
        executor.run();
        group.operation().cancel();
        executor.run();
        gate.open();
        executor.wake_all();
        executor.run();
        let refused = Err(Cancelled::new("a member cannot wait for itself").into());
        assert_eq!(got.lock().unwrap().take(), Some(refused), "{way:?}");
    }
}

/// An executor that a member runs may poll other tasks, and a member of another group may have the same number.
#[test]
fn handles_in_other_tasks_wait() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let (group, other) = (executor.group::<usize, String>(), executor.group::<usize, String>());
    let gate = Gate::new();
    let own = Own::default();
    let (of_member, pass) = (own.clone(), gate.pass());
    let first = group.spawn(async move {
        let mut handle = of_member.lock().unwrap().take().unwrap();
        // This task is polled inside the member.
        assert!(Wakes::new().poll(Pin::new(&mut handle)).is_pending());
        *of_member.lock().unwrap() = Some(handle);
        pass.await;
        7
    });
    *own.lock().unwrap() = Some(first);
    executor.run();
    let first = own.lock().unwrap().take().unwrap();
    let second = other.spawn(async move { first.await.unwrap() + 1 });
    executor.run();
    assert_eq!((group.len(), other.len()), (1, 1));
    gate.open();
    executor.run_all();
    assert_eq!(poll_once(pin!(second)), Poll::Ready(Ok(8)));
}
