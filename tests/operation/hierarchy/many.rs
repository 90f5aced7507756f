//! Ten thousand operations, as siblings and as a chain, and what they leave behind.

use std::env;
use std::future::{Pending, pending};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;

use cancelable::prelude::*;
use cancelable::source::Never;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

use crate::support::{self, Wakes, kept, on_a_stack_of, poll_once};

const MANY: usize = 10_000;

/// Too small for a deep recursion.
const STACK: usize = 128 << 10;

#[test]
fn g11_ten_thousand_children_at_once() {
    let _watchdog = support::watchdog();
    let parent_run = pending::<()>().cancelable(never()).named("parent");
    let parent = parent_run.operation();
    let mut parent_run = pin!(parent_run);
    assert!(poll_once(parent_run.as_mut()).is_pending());
    let wakes = Wakes::new();
    let mut children: Vec<_> = (0..MANY)
        .map(|_| {
            let run = pending::<()>().cancelable(never()).child_of(&parent);
            let operation = run.operation();
            let mut run = Box::pin(run);
            assert!(wakes.poll(run.as_mut()).is_pending());
            (operation, run)
        })
        .collect();
    assert_eq!(kept(&wakes), MANY);
    parent.cancel_with("stop");
    assert_eq!((wakes.count(), kept(&wakes)), (MANY, 0), "each is woken once");
    for (operation, run) in &mut children {
        let cancelled = support::block_on(run).unwrap_err();
        assert_eq!(cancelled.to_string(), "parent `parent` cancelled: stop");
        assert_eq!(operation.status(), Status::Cancelled);
    }
}

struct Link {
    operation: Operation,
    _run: Cancelable<Pending<()>, Never>,
}

impl Link {
    fn new(run: Cancelable<Pending<()>, Never>) -> Self {
        Link { operation: run.operation(), _run: run }
    }
}

/// A chain of operations, the root first.
fn chain(held: &Arc<()>) -> Vec<Link> {
    let mut chain = vec![Link::new(pending().cancelable(never()).named("top"))];
    for _ in 1..MANY {
        let above = &chain[chain.len() - 1].operation;
        chain.push(Link::new(pending().cancelable(never()).child_of(above)));
    }
    for Link { operation, .. } in &chain {
        let held = held.clone();
        operation.on_complete(move |_| drop(held));
    }
    chain
}

#[test]
fn g11_chain_of_ten_thousand_needs_no_stack() {
    let _watchdog = support::watchdog();
    on_a_stack_of(STACK, || {
        let held = Arc::new(());
        let chain = chain(&held);
        let middle = MANY / 2;
        chain[middle].operation.cancel_with("stop");
        assert!(!chain[middle - 1].operation.is_cancelled());
        for Link { operation, .. } in &chain[middle + 1..] {
            let reason = operation.reason().unwrap();
            assert_eq!(reason.kind(), ReasonKind::Parent);
            assert_eq!(reason.root(), &Reason::manual("stop"));
        }
        let last = chain[MANY - 1].operation.reason().unwrap();
        assert!(last.to_string().len() < 100, "it does not tell of all in between");
        chain[0].operation.cancel();
        assert!(chain.iter().all(|link| link.operation.is_cancelled()));
        drop((chain, last));
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn chain_of_ten_thousand_drops_without_recursion() {
    let _watchdog = support::watchdog();
    on_a_stack_of(STACK, || {
        let held = Arc::new(());
        drop(chain(&held));
        assert_eq!(Arc::strong_count(&held), 1, "from the top");

        let mut from_below = chain(&held);
        while from_below.pop().is_some() {}
        assert_eq!(Arc::strong_count(&held), 1, "from below");

        // The last operation still knows the id of its parent, but keeps nothing of the others alive.
        let last = chain(&held).pop().unwrap().operation;
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(last.parent_id().is_some());
        drop(last);
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn chain_of_ended_parents_cancels() {
    let _watchdog = support::watchdog();
    let top_run = async {}.cancelable(never()).named("top");
    let top = top_run.operation();
    let mut lower = top.clone();
    for _ in 0..100 {
        let run = async {}.cancelable(never()).child_of(&lower);
        lower = run.operation();
        support::block_on(run).unwrap();
    }
    let last = pending::<()>().cancelable(never()).child_of(&lower);
    top.cancel_with("stop");
    assert_eq!(last.operation().reason().unwrap().root(), &Reason::manual("stop"));
}

#[test]
fn g11_parent_keeps_nothing_of_children() {
    let _watchdog = support::watchdog();
    let held = Arc::new(());
    let parent_run = async {}.cancelable(never());
    let parent = parent_run.operation();
    for end in 0..4 {
        let kept = held.clone();
        let work = async move {
            let _kept = kept;
            if end == 0 { 7 } else { pending().await }
        };
        let run = work.cancelable(never()).child_of(&parent);
        let operation = run.operation();
        let on_cancel = held.clone();
        operation.on_cancel(move |_, _| drop(on_cancel));
        let mut run = Box::pin(run);
        if end > 1 {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        if end == 3 {
            operation.cancel();
            assert!(poll_once(run.as_mut()).is_ready());
        } else if end == 0 {
            assert!(poll_once(run.as_mut()).is_ready());
        }
        drop((run, operation));
        assert_eq!(Arc::strong_count(&held), 1, "ending {end}");
    }
}

/// Returns how much memory the process uses, in bytes.
fn live() -> u64 {
    let pid = get_current_pid().unwrap();
    let mut system = System::new();
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, memory);
    system.process(pid).unwrap().memory()
}

const ALONE: &str = "CANCELABLE_TEST_ALONE";

/// How many bytes may remain after [`OPERATIONS`]: less than one list entry for each.
const SLACK: u64 = 2 << 20;
const OPERATIONS: usize = 300_000;

#[test]
fn long_lived_parent_does_not_grow() {
    let _watchdog = support::watchdog();
    if env::var_os(ALONE).is_none() {
        // In a process of its own, because the memory of other tests would count too.
        let name = "hierarchy::many::long_lived_parent_does_not_grow";
        let mut alone = Command::new(env::current_exe().unwrap());
        let output = alone.args(["--exact", name]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let parent_run = async {}.cancelable(never()).named("parent");
    let parent = parent_run.operation();
    let run = || {
        let run = async { 7 }.cancelable(never()).child_of(&parent).on_cancel(|_, _| {});
        support::block_on(run).unwrap();
        let mut dropped = Box::pin(pending::<()>().cancelable(never()).child_of(&parent));
        assert!(poll_once(dropped.as_mut()).is_pending());
    };
    (0..1_000).for_each(|_| run());
    let before = live();
    (0..OPERATIONS / 2).for_each(|_| run());
    let grown = live().saturating_sub(before);
    assert!(grown <= SLACK, "{grown} bytes more after {OPERATIONS} operations");
}

/// Each token has a child token before its operation is put below another operation. Whatever the order, this costs about
/// the same for each operation. If each one walked to the top of the chain, the test would take minutes.
#[test]
fn adoption_costs_no_walk_to_the_top() {
    let _watchdog = support::watchdog();
    let many = 100_000;
    for from_the_top in [true, false] {
        let mut runs: Vec<_> =
            (0..many).map(|_| Some(pending::<()>().cancelable(never()))).collect();
        let handles: Vec<_> = runs.iter().flatten().map(|run| run.operation()).collect();
        let below: Vec<_> = handles.iter().map(|handle| handle.token().child_token()).collect();
        for turn in 1..many {
            let index = if from_the_top { turn } else { many - turn };
            runs[index] = runs[index].take().map(|run| run.child_of(&handles[index - 1]));
        }
        // The last operation is below all others, so it cannot become the parent of the first.
        runs[0] = runs[0].take().map(|run| run.child_of(&handles[many - 1]));
        assert_eq!(handles[0].parent_id(), None);
        handles[0].cancel_with("stop");
        assert_eq!(
            below[many - 1].reason().map(|reason| reason.root().clone()),
            Some("stop".into())
        );
    }
}
