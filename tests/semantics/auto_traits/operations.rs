//! Guarantee 15, for operations: futures with hooks and clean-up have the auto traits of their parts.

use std::cell::Cell;
use std::fmt::Debug;
use std::future::pending;
use std::marker::PhantomPinned;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use cancelable::prelude::*;
use futures::FutureExt;

use super::{Bound, Pinned, Unshared};
use crate::support::{self, poll_once};

/// Asserts at compile time which traits the type of a value has, for types whose names are too long to write. If a trait
/// that must be missing is implemented, a call becomes ambiguous.
macro_rules! assert_of {
    ($value:expr => $($holds:ident)* $(; not $($not:ident)*)?) => {{
        let value = $value;
        $({
            fn holds<T: $holds>(_: &T) {}
            holds(&value);
        })*
        $($({
            trait OneOrTwo<A> {
                fn is_one(&self) {}
            }
            impl<T> OneOrTwo<()> for T {}
            struct Second;
            impl<T: $not> OneOrTwo<Second> for T {}
            OneOrTwo::<_>::is_one(&value);
        })*)?
        drop(value);
    }};
}

#[test]
fn g15_clean_up_follows_its_parts() {
    let _watchdog = support::watchdog();
    let free = || pending::<()>().cancelable(never());
    let stays = || Bound(Rc::new(())).map(drop);
    let moves = || Unshared(Cell::new(0)).map(drop);
    let still = || Pinned(PhantomPinned).map(drop);
    assert_of!(free().named("run") => Debug Send Sync Unpin);
    assert_of!(free().on_cancel(|_, _| {}) => Send Sync Unpin);
    assert_of!(free().finally(|_| pending()) => Send Sync Unpin);
    assert_of!(free().finally(|_| pending()).finally(|_| pending()) => Send Sync Unpin);
    assert_of!(free().finally(|_| stays()) => Debug Unpin; not Send Sync);
    assert_of!(free().finally(|_| moves()) => Send Unpin; not Sync);
    assert_of!(free().finally(|_| still()) => Send Sync; not Unpin);
    assert_of!(stays().cancelable(never()).finally(|_| pending()) => Unpin; not Send Sync);
    assert_of!(moves().cancelable(never()).finally(|_| pending()) => Send Unpin; not Sync);
    assert_of!(still().cancelable(never()).finally(|_| pending()) => Send Sync; not Unpin);
    let (shared, cell) = (Rc::new(()), Cell::new(0));
    let holds_shared = move |_: &Result<(), Cancelled>| {
        let _held = &shared;
        pending()
    };
    assert_of!(free().finally(holds_shared) => Unpin; not Send Sync);
    let holds_cell = move |_: &Result<(), Cancelled>| {
        cell.set(1);
        pending()
    };
    assert_of!(free().finally(holds_cell) => Send Unpin; not Sync);
    // Clean-up for a spawner is boxed: boxes are `Unpin`, and a spawner needs `'static`.
    assert_of!(free().finally_or_spawn(drop, |_| pending()) => Send Sync Unpin);
    assert_of!(free().finally_or_spawn(drop, |_| still()) => Send Sync Unpin);
    assert_of!(free().finally_or_spawn(drop, |_| moves()) => Send Sync Unpin);
    #[cfg(feature = "time")]
    {
        let limit = std::time::Duration::from_secs(60);
        assert_of!(free().finally_for(limit, |_| pending()) => Send Sync Unpin);
        assert_of!(free().grace(limit) => Send Sync Unpin);
    }
    let operation = free().operation();
    assert_of!(operation.wrap(|()| pending::<()>())(()) => Send Sync Unpin);
    assert_of!(operation.in_scope(stays()) => Unpin; not Send Sync);
}

#[test]
fn g15_operations_may_borrow() {
    let _watchdog = support::watchdog();
    let (mut lines, mut ends) = (Vec::new(), Vec::new());
    let (token, name) = (CancellationToken::new(), String::from("borrowed"));
    {
        // The work, the shielded section in it, and each kind of clean-up that may borrow.
        let run = scope(&token, |operation| {
            let (lines, name) = (&mut lines, &name);
            async move {
                shield(async { lines.push(name.as_str()) }).await;
                operation.in_scope(async { lines.push("in scope") }).await;
                let call = operation.wrap(async |line| lines_len(lines) + line);
                call(1).await
            }
        });
        let ends = &mut ends;
        let run = run.named("run").finally(|outcome| {
            let kept = outcome.clone();
            async { ends.push((kept, name.as_str())) }
        });
        assert_eq!(poll_once(pin!(run)), Poll::Ready(Ok(Ok(3))));
    }
    assert_eq!(lines, ["borrowed", "in scope"]);
    assert_eq!(ends, [(Ok(Ok(3)), "borrowed")]);
}

fn lines_len(lines: &[&str]) -> usize {
    lines.len()
}

#[test]
fn g15_operations_move_between_threads() {
    let _watchdog = support::watchdog();
    let section = async { shield(pending::<()>()).await };
    let run = section.cancelable(never()).named("run").finally(|_| async {});
    let operation = run.operation();
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    let moved = operation.clone();
    let still = std::thread::spawn(move || {
        // The shield holds on this thread too, although it registered on the other.
        moved.cancel_with("moved");
        let pending = poll_once(run.as_mut()).is_pending();
        drop(run);
        pending
    });
    assert!(still.join().unwrap());
    assert_eq!(operation.reason(), Some(Reason::manual("moved")));
    assert_eq!(operation.status(), Status::Cancelled);
}
