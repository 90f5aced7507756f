//! Time limits: many that are outstanding, many that end at once, and two threads that make them.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use futures::future::join_all;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken as TokioToken;

use crate::measure::{Contestant, Table, timed};

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// From a second to an hour, all lengths mixed.
fn length(number: usize) -> Duration {
    Duration::from_millis(1_000 + (number as u64).wrapping_mul(2_654_435_761) % 3_600_000)
}

/// Polls each once, so that its limit is set.
fn set<F: Future>(limits: &mut [Pin<Box<F>>]) {
    let waker = Waker::from(Arc::new(Ignore));
    let mut cx = Context::from_waker(&waker);
    for limit in limits {
        assert!(limit.as_mut().poll(&mut cx).is_pending());
    }
}

/// How long it takes to set limits, and to drop them.
fn set_and_drop<F: Future>(limits: impl Iterator<Item = F>) -> (Duration, Duration) {
    let mut limits: Vec<_> = limits.map(Box::pin).collect();
    let (setting, ()) = timed(|| set(&mut limits));
    let (dropping, ()) = timed(|| drop(limits));
    (setting, dropping)
}

pub(crate) fn rows(table: &mut Table) {
    let runtime = new_runtime();
    let _entered = runtime.enter();
    outstanding(table);
    ending(table);
    threads(table, &runtime);
    sizes();
}

fn new_runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("the runtime can be made")
}

fn outstanding(table: &mut Table) {
    const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
    let ours = |size| set_and_drop((0..size).map(|number| timeout(length(number))));
    let theirs = |size| set_and_drop((0..size).map(|number| tokio::time::sleep(length(number))));
    table.row(
        "so many limits of mixed length are set",
        &SIZES,
        vec![
            Contestant::new("cancelable", |size| ours(size).0),
            Contestant::new("tokio", |size| theirs(size).0),
        ],
    );
    table.row(
        "and dropped before their end",
        &SIZES,
        vec![
            Contestant::new("cancelable", |size| ours(size).1),
            Contestant::new("tokio", |size| theirs(size).1),
        ],
    );
}

fn ending(table: &mut Table) {
    /// All end within a second; what counts is the time from the last end until all tasks are done.
    fn run<F: Future + Send + 'static>(limits: impl Iterator<Item = F>) -> Duration
    where
        F::Output: Send,
    {
        let runtime = new_runtime();
        let limits: Vec<_> = limits.map(|limit| runtime.spawn(limit)).collect();
        let (taken, _) = timed(|| runtime.block_on(join_all(limits)));
        taken.saturating_sub(Duration::from_secs(1))
    }
    /// Spread over the second.
    fn end(number: usize, size: usize) -> Duration {
        Duration::from_nanos(1_000_000_000 / size as u64 * (number as u64 + 1))
    }
    table.row(
        "so many limits end within one second: past that second, until the last task is done",
        &[1_000, 10_000, 100_000],
        vec![
            Contestant::new("cancelable", |size| {
                run((0..size).map(|number| pending::<()>().cancelable(timeout(end(number, size)))))
            }),
            Contestant::new("tokio", |size| {
                // Made within the task: it belongs to the runtime in which it is made.
                run((0..size).map(move |number| async move {
                    tokio::time::timeout(end(number, size), pending::<()>()).await
                }))
            }),
        ],
    );
}

fn threads(table: &mut Table, runtime: &Runtime) {
    /// Sets and drops so many on each of two threads at once.
    fn twice<F: Future>(
        runtime: &Runtime,
        size: usize,
        wait: impl Fn(usize) -> F + Sync,
    ) -> Duration {
        let turn = || {
            let _entered = runtime.enter();
            let waker = Waker::from(Arc::new(Ignore));
            let mut cx = Context::from_waker(&waker);
            for number in 0..size {
                let mut wait = std::pin::pin!(wait(number));
                assert!(wait.as_mut().poll(&mut cx).is_pending());
            }
        };
        let (taken, ()) = timed(|| {
            thread::scope(|scope| {
                scope.spawn(turn);
                turn();
            });
        });
        taken
    }
    let sizes = [10_000, 100_000];
    table.row(
        "two threads at once: a limit is set and dropped",
        &sizes,
        vec![
            Contestant::new("cancelable", |size| {
                twice(runtime, size, |_| timeout(Duration::from_secs(60)))
            }),
            Contestant::new("tokio", |size| {
                twice(runtime, size, |_| tokio::time::sleep(Duration::from_secs(60)))
            }),
        ],
    );
    let (ours, theirs) = (CancellationToken::new(), TokioToken::new());
    table.row(
        "two threads at once: a wait for one token begins and is dropped",
        &sizes,
        vec![
            Contestant::new("cancelable", |size| twice(runtime, size, |_| ours.cancelled())),
            Contestant::new("tokio-util", |size| twice(runtime, size, |_| theirs.cancelled())),
        ],
    );
}

/// What a race that waits under a limit and a token takes: the future, and what it holds elsewhere
/// is one place in two lists, or one entry in the timer and one in the list of tokio's.
fn sizes() {
    let (ours, theirs) = (CancellationToken::new(), TokioToken::new());
    let limit = Duration::from_secs(60);
    let race = pending::<()>().cancelable(any_of((timeout(limit), &ours)));
    let select = async {
        tokio::select! {
            biased;
            () = pending::<()>() => {},
            () = tokio::time::sleep(limit) => {},
            () = theirs.cancelled() => {},
        }
    };
    println!("\nbytes of a future that waits under a timeout and a token");
    let (ours, theirs) = (size_of_val(&race), size_of_val(&select));
    println!("  {:<34} {ours}", "cancelable");
    println!("  {:<34} {theirs}  share {:.2}", "tokio::select!", ours as f64 / theirs as f64);
}
