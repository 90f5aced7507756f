//! When the captures of hooks are dropped.

use std::future::{Future, pending};
use std::io;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use cancelable::prelude::*;

use crate::support::{self, Log, poll_once};

/// Adds one hook of every kind, and each captures a clone.
fn hold_in_hooks(operation: &Operation, held: &Arc<()>) {
    let [a, b, c, d] = [(); 4].map(|()| held.clone());
    operation.on_complete(move |_| drop(a));
    operation.on_cancel(move |_, _| drop(b));
    operation.on_error(move |_, _| drop(c));
    operation.on_progress(move |_, _| assert!(Arc::strong_count(&d) > 0));
}

#[test]
fn captures_are_dropped_at_every_ending() {
    let _watchdog = support::watchdog();
    let held = Arc::new(());
    let each = |run: Pin<Box<dyn Future<Output = ()>>>, operation: Operation| {
        hold_in_hooks(&operation, &held);
        assert_eq!(Arc::strong_count(&held), 5);
        let mut run = run;
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = poll_once(run.as_mut());
        }));
        drop((run, ended));
        assert!(operation.status().is_final());
        assert_eq!(Arc::strong_count(&held), 1, "{}", operation.status());
        hold_in_hooks(&operation, &held);
        drop(operation);
        assert_eq!(Arc::strong_count(&held), 1, "also what came late");
    };
    macro_rules! each {
        ($run:expr) => {{
            let run = $run;
            let operation = run.operation();
            each(Box::pin(async { drop(run.await) }), operation);
        }};
    }
    each!(async { 7 }.cancelable(never()));
    each!(async { Err::<(), _>(io::Error::other("no disk")) }.try_cancelable(never()));
    each!(async { panic_any("on fire") }.cancelable(never()));
    each!(pending::<()>().cancelable(async { Reason::Disconnected }));
    each!(pending::<()>().cancelable(never()));
}

#[test]
fn captures_of_late_hooks_are_dropped() {
    let _watchdog = support::watchdog();
    let held = Arc::new(());
    let run = async { 7 }.cancelable(never());
    let operation = run.operation();
    support::block_on(run).unwrap();
    let [a, b, c] = [(); 3].map(|()| held.clone());
    operation.on_complete(move |_| drop(a));
    operation.on_cancel(move |_, _| drop(b));
    operation.on_error(move |_, _| drop(c));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn own_handle_keeps_nothing() {
    let _watchdog = support::watchdog();
    let held = Arc::new(());
    let run = async { 7 }.cancelable(never());
    let operation = run.operation();
    let (handle, kept) = (operation.clone(), held.clone());
    operation.on_cancel(move |_, _| drop((handle, kept)));
    let (handle, kept) = (operation.clone(), held.clone());
    operation.on_progress(move |_, _| drop((handle.clone(), kept.clone())));
    drop(operation);
    assert_eq!(support::block_on(run), Ok(7));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn last_handle_in_a_hook() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let last = Arc::new(Mutex::new(None::<Operation>));
    let (taken, note) = (last.clone(), log.clone());
    let run = async { 7 }.cancelable(never()).on_complete(move |operation| {
        drop(taken.lock().unwrap().take());
        note.note(operation.status());
    });
    *last.lock().unwrap() = Some(run.operation());
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_ready());
    drop(run);
    assert_eq!(log.take(), ["completed"]);
    assert!(last.lock().unwrap().is_none());
}

#[test]
fn unpolled_keeps_nothing() {
    let _watchdog = support::watchdog();
    let held = Arc::new(());
    let run = async {}.cancelable(never());
    let (handle, kept) = (run.operation(), held.clone());
    drop(run.on_complete(move |_| drop((handle, kept))));
    assert_eq!(Arc::strong_count(&held), 1);
}

/// The operation holds its hooks, and the hooks hold a handle of the operation. Only dropping the future breaks this cycle.
#[test]
fn late_hooks_of_a_dropped_future_are_dropped() {
    let _watchdog = support::watchdog();
    for late in [false, true] {
        let held = Arc::new(());
        let mut run = Some(Box::pin(std::future::pending::<()>().cancelable(never())));
        let operation = run.as_ref().unwrap().operation();
        if late {
            run = None;
        }
        let hold = || (held.clone(), operation.clone());
        let (complete, cancel, error) = (hold(), hold(), hold());
        operation.on_complete(move |_| drop(complete));
        operation.on_cancel(move |_, _| drop(cancel));
        operation.on_error(move |_, _| drop(error));
        drop((run, operation));
        assert_eq!(Arc::strong_count(&held), 1, "given late: {late}");
    }
}

/// Several hooks that are never called panic when they are dropped. Each panic is contained.
#[test]
fn g12_dropped_hooks_may_panic() {
    struct Hostile;

    impl Drop for Hostile {
        fn drop(&mut self) {
            panic!("the destructor of a hook");
        }
    }

    let _watchdog = support::watchdog();
    for polled in [false, true] {
        let (a, b, c, d, e, f) = (Hostile, Hostile, Hostile, Hostile, Hostile, Hostile);
        let run = pending::<()>()
            .cancelable(never())
            .on_complete(move |_| drop(a))
            .on_error(move |_, _| drop(b))
            .on_progress(move |_, _| assert!(size_of_val(&c) == 0))
            .on_progress(move |_, _| assert!(size_of_val(&d) == 0))
            .on_clean_up_lost(move |_| drop(e))
            .on_clean_up_lost(move |_| drop(f));
        let operation = run.operation();
        let mut run = Box::pin(run);
        if polled {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        drop(run);
        assert_eq!(operation.status(), Status::Cancelled);
    }
}
