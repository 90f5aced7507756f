//! Time limits: many that are outstanding, and many that end within a second.

use std::future::{Future, pending};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cancelable::prelude::*;
use futures::future::join_all;
use tokio::runtime::Runtime;

use crate::measure::{Contestant, processor_time, timed};
use crate::table::Table;

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// From a second to an hour, all lengths mixed.
pub(crate) fn length(number: usize) -> Duration {
    Duration::from_millis(1_000 + (number as u64).wrapping_mul(2_654_435_761) % 3_600_000)
}

pub(crate) fn rows(table: &mut Table) {
    let runtime = with_timers();
    let _entered = runtime.enter();
    outstanding(table);
    ending(table);
}

pub(crate) fn new_runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("the runtime can be made")
}

/// A runtime with a timer that ends before those that are measured, as in a program with many of
/// them. A timer that ends before all others costs tokio a system call.
pub(crate) fn with_timers() -> Runtime {
    let runtime = new_runtime();
    runtime.spawn(async { tokio::time::sleep(Duration::from_millis(900)).await });
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
    runtime
}

fn outstanding(table: &mut Table) {
    /// How long it takes to make limits and poll each once, so that it is set; to drop them; and both.
    fn set_and_drop<F: Future>(limits: impl Iterator<Item = F>) -> [Duration; 3] {
        let waker = Waker::from(Arc::new(Ignore));
        let mut cx = Context::from_waker(&waker);
        let mut set = |limit: F| {
            let mut limit = Box::pin(limit);
            assert!(limit.as_mut().poll(&mut cx).is_pending());
            limit
        };
        let (setting, limits) = timed(|| limits.map(&mut set).collect::<Vec<_>>());
        let (dropping, ()) = timed(|| drop(limits));
        [setting, dropping, setting + dropping]
    }
    table.rows(
        [
            ("so many limits of mixed length: set", None),
            ("so many limits of mixed length: dropped before their end", None),
            ("so many limits of mixed length: set, and dropped unfired", Some(0.5)),
        ],
        &[1_000, 10_000, 100_000, 1_000_000],
        vec![
            Contestant::in_parts("cancelable", |size| {
                set_and_drop((0..size).map(|number| timeout(length(number))))
            }),
            Contestant::in_parts("tokio", |size| {
                set_and_drop((0..size).map(|number| tokio::time::sleep(length(number))))
            }),
        ],
    );
}

fn ending(table: &mut Table) {
    /// All end within a second; what counts is the time from the last end until all tasks are done,
    /// and for how long the processors have worked in all.
    fn run<F: Future + Send + 'static>(limits: impl Iterator<Item = F>) -> [Duration; 2]
    where
        F::Output: Send,
    {
        let runtime = new_runtime();
        let limits: Vec<_> = limits.map(|limit| runtime.spawn(limit)).collect();
        let before = processor_time();
        let (taken, _) = timed(|| runtime.block_on(join_all(limits)));
        let computed = processor_time() - before;
        [taken.saturating_sub(Duration::from_secs(1)), computed]
    }
    /// Spread over the second.
    fn end(number: usize, size: usize) -> Duration {
        Duration::from_nanos(1_000_000_000 / size as u64 * (number as u64 + 1))
    }
    table.rows(
        [
            (
                "so many limits end within one second: past it, until the last task is done",
                Some(0.9),
            ),
            ("so many limits end within one second: time of the processors", Some(0.9)),
        ],
        &[1_000, 10_000, 100_000],
        vec![
            Contestant::in_parts("cancelable", |size| {
                run((0..size).map(|number| pending::<()>().cancelable(timeout(end(number, size)))))
            }),
            Contestant::in_parts("tokio", |size| {
                // Made within the task: it belongs to the runtime in which it is made.
                run((0..size).map(move |number| async move {
                    tokio::time::timeout(end(number, size), pending::<()>()).await
                }))
            }),
        ],
    );
}
