//! `Operation::children` and `children_ended`.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use cancelable::prelude::*;
use futures::future::FusedFuture;

use crate::support::{self, Wakes, kept, on_a_stack_of, panic_of, poll_once};

#[test]
fn g16_children_are_listed_until_they_end() {
    let _watchdog = support::watchdog();
    let parent = support::unpolled("parent");
    let child = |name| pending::<()>().cancelable(never()).named(name).child_of(&parent);
    let names = || {
        let children = parent.children();
        assert_eq!(children.len(), parent.child_count());
        children.iter().map(|child| child.name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (a, b, c) = (child("a"), child("b"), child("c"));
    assert_eq!(names(), ["a", "b", "c"], "from before their first poll");
    drop(b);
    assert_eq!(names(), ["a", "c"]);
    let mut c = Box::pin(c);
    assert!(poll_once(c.as_mut()).is_pending());
    drop(c);
    assert_eq!(names(), ["a"]);
    a.operation().cancel();
    assert_eq!(names(), ["a"], "cancelled, and not ended");
    let d = child("d");
    assert!(support::block_on(a).is_err());
    assert_eq!(names(), ["d"]);
    drop(d);
    assert_eq!(names(), [""; 0]);
}

#[test]
fn g16_nested_operations_are_children() {
    let _watchdog = support::watchdog();
    let run = scope(never(), async |operation: Operation| {
        let inner = async { operation.children() }.cancelable(never()).named("inner");
        let handle = inner.operation();
        assert_eq!(inner.await.unwrap(), [handle]);
        operation.child_count()
    });
    assert_eq!(support::block_on(run), Ok(0));
}

/// A child that has ended stays in the list until everything below it has ended too.
#[test]
fn g16_waits_for_everything_below() {
    let _watchdog = support::watchdog();
    let parent = support::unpolled("parent");
    let middle = async {}.cancelable(never()).child_of(&parent);
    let leaf = pending::<()>().cancelable(never()).child_of(&middle.operation());
    let wakes = Wakes::new();
    let mut ended = pin!(parent.children_ended());
    assert!(wakes.poll(ended.as_mut()).is_pending());
    let handle = middle.operation();
    assert_eq!(support::block_on(middle), Ok(()));
    assert_eq!((wakes.count(), parent.child_count(), handle.child_count()), (0, 1, 1));
    drop(handle);
    let late = async {}.cancelable(never()).child_of(&parent.children()[0]);
    drop(leaf);
    assert_eq!((wakes.count(), parent.child_count()), (0, 1));
    drop(late);
    assert_eq!((wakes.count(), parent.child_count()), (1, 0));
    assert!(wakes.poll(ended.as_mut()).is_ready() && ended.is_terminated());
    assert!(panic_of(|| poll_once(ended).is_ready()).contains("polled after completion"));
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn g16_children_that_come_meanwhile_are_waited_for() {
    let _watchdog = support::watchdog();
    let parent = support::unpolled("parent");
    let child = || pending::<()>().cancelable(never()).child_of(&parent);
    let (first, wakes) = (child(), Wakes::new());
    let mut ended = pin!(parent.children_ended());
    assert!(wakes.poll(ended.as_mut()).is_pending());
    drop(first);
    let second = child();
    assert!(wakes.poll(ended.as_mut()).is_pending());
    drop(second);
    assert_eq!(wakes.poll(ended), Poll::Ready(()));
    assert!(poll_once(pin!(parent.children_ended())).is_ready(), "there are none");
}

/// If a child is added after the end of its parent, the operations above that parent still wait for the child.
#[test]
fn g16_children_of_ended_operations_are_waited_for() {
    let _watchdog = support::watchdog();
    let top = support::unpolled("top");
    let run = async {}.cancelable(never()).child_of(&top);
    let upper = run.operation();
    let lower = async {}.cancelable(never()).child_of(&upper);
    let last = lower.operation();
    support::block_on(async { futures::join!(run, lower) }).0.unwrap();
    assert_eq!((top.child_count(), upper.child_count()), (0, 0));
    for _ in 0..2 {
        let leaf = pending::<()>().cancelable(never()).child_of(&last);
        assert_eq!((top.children(), upper.children()), (vec![upper.clone()], vec![last.clone()]));
        let other = pending::<()>().cancelable(never()).child_of(&upper);
        let mut ended = pin!(top.children_ended());
        assert!(poll_once(ended.as_mut()).is_pending());
        drop(leaf);
        assert_eq!((top.child_count(), upper.child_count(), last.child_count()), (1, 1, 0));
        drop(other);
        assert!(poll_once(ended).is_ready());
        assert_eq!((top.child_count(), upper.child_count()), (0, 0));
    }
}

/// If an operation gets a parent only after its own end, it does not enter the parent's list, because nothing would remove
/// it.
#[test]
fn g16_ended_operations_do_not_come_into_the_list() {
    let _watchdog = support::watchdog();
    let parent = support::unpolled("parent");
    let mut run = std::future::ready(7).cancelable(never()).named("child");
    assert!(poll_once(Pin::new(&mut run)).is_ready());
    let run = run.child_of(&parent);
    assert_eq!((run.operation().parent_id(), parent.child_count()), (Some(parent.id()), 0));
}

/// A long chain is dropped from the top, from below, and from the list of children of the topmost operation.
#[test]
fn g16_long_chains_need_no_stack() {
    let _watchdog = support::watchdog();
    on_a_stack_of(64 * 1024, || {
        for way in 0..3 {
            let held = Arc::new(());
            let mut chain = vec![pending::<()>().cancelable(never())];
            for _ in 1..10_000 {
                let above = chain[chain.len() - 1].operation();
                chain.push(pending::<()>().cancelable(never()).child_of(&above));
            }
            for run in &chain {
                let held = held.clone();
                run.operation().on_complete(move |_| drop(held));
            }
            let top = chain[0].operation();
            match way {
                0 => drop(chain),
                1 => while chain.pop().is_some() {},
                // The last operation has not ended, so the lists of the others keep the chain.
                _ => {
                    let last = chain.pop();
                    drop(chain);
                    assert_eq!(top.child_count(), 1);
                    drop(last);
                }
            }
            assert_eq!((top.child_count(), Arc::strong_count(&held)), (0, 1));
        }
    });
}

/// The topmost list owns a long chain of operations that have ended, and is dropped first.
#[test]
fn g16_owned_chains_need_no_stack() {
    let _watchdog = support::watchdog();
    on_a_stack_of(64 * 1024, || {
        let mut chain = vec![pending::<()>().cancelable(never())];
        for _ in 1..10_000 {
            let above = chain[chain.len() - 1].operation();
            chain.push(pending::<()>().cancelable(never()).child_of(&above));
        }
        let (top, last) = (chain[0].operation(), chain.pop().unwrap());
        drop(chain);
        drop(top);
        assert!(last.operation().is_cancelled());
        drop(last);
    });
}
