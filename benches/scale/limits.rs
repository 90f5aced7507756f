//! Measures many time limits: limits that are set and dropped before they fire, and limits that all fire within a second.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::measure::{Contestant, processor_time, timed};
use crate::table::{Table, Title};

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// Returns the length of a limit: between one second and one hour, in mixed order.
pub(crate) fn length(number: usize) -> Duration {
    Duration::from_millis(1_000 + (number as u64).wrapping_mul(2_654_435_761) % 3_600_000)
}

pub(crate) fn new_runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("the runtime can be made")
}

/// Creates a runtime with several threads, as most services use. The number of threads is the same on every machine.
pub(crate) fn runtime_of_two() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("the runtime can be made")
}

/// Creates a runtime with a timer that is due before the measured timers, as in a program with many timers. A timer that is due
/// before all others costs tokio a system call.
pub(crate) fn with_timers() -> Runtime {
    let runtime = new_runtime();
    runtime.spawn(async { tokio::time::sleep(Duration::from_millis(900)).await });
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
    runtime
}

pub(crate) fn outstanding(table: &mut Table) {
    let runtime = with_timers();
    let _entered = runtime.enter();
    /// Returns three times: the time to create the limits and to poll each once, which sets it; the time to drop them; and the
    /// sum.
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
            ("limits of mixed length: set", None),
            ("limits of mixed length: dropped before their end", None),
            ("limits of mixed length: set, and dropped unfired", Some(1.0)),
        ],
        &[1_000, 10_000, 100_000, 1_000_000],
        vec![
            Contestant::in_parts("cancelable", |size| {
                set_and_drop((0..size).map(|number| timeout(length(number))))
            }),
            Contestant::in_parts("tokio", |size| {
                set_and_drop((0..size).map(|number| tokio::time::sleep(length(number))))
            }),
            Contestant::in_parts("floor: no slot to be found", |size| {
                set_and_drop((0..size).map(|_| Floor::default()))
            }),
        ],
    );
}

/// Does the steps that no limit can avoid: reads the clock, keeps a clone of the waker, and takes a lock to register and to
/// leave. As large as a limit of this crate.
#[derive(Default)]
struct Floor {
    began: Option<Instant>,
    waker: Option<Waker>,
    place: [u64; 2],
}

static LOCK: Mutex<u64> = Mutex::new(0);

impl Future for Floor {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.began = Some(Instant::now());
        self.waker = Some(cx.waker().clone());
        let mut entered = LOCK.lock();
        *entered += 1;
        self.place = [*entered; 2];
        Poll::Pending
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        *LOCK.lock() -= 1;
    }
}

pub(crate) fn ending(table: &mut Table) {
    let titles = [
        ("limits end within one second: past it, until the last task is done", Some(0.9)),
        ("limits end within one second: time of the processors", Some(1.15)),
    ];
    ending_on(table, new_runtime, titles);
    let titles = [
        ("the same on a runtime of two threads: past it, until the last task is done", None),
        ("the same on a runtime of two threads: time of the processors", None),
    ];
    ending_on(table, runtime_of_two, titles);
}

/// Measures limits that all fire within a second: the time from the last deadline until all tasks are done, and the CPU time
/// of the whole run.
fn ending_on(table: &mut Table, runtime: fn() -> Runtime, titles: [Title<'_>; 2]) {
    fn run<F: Future + Send + 'static>(
        runtime: Runtime,
        limits: impl Iterator<Item = F>,
    ) -> [Duration; 2]
    where
        F::Output: Send,
    {
        let limits: Vec<_> = limits.map(|limit| runtime.spawn(limit)).collect();
        let before = processor_time();
        let (taken, _) = timed(|| runtime.block_on(join_all(limits)));
        let computed = processor_time() - before;
        [taken.saturating_sub(Duration::from_secs(1)), computed]
    }
    /// Returns the length of a limit. The lengths are spread evenly over the second.
    fn end(number: usize, size: usize) -> Duration {
        Duration::from_nanos(1_000_000_000 / size as u64 * (number as u64 + 1))
    }
    table.rows(
        titles,
        &[1_000, 10_000, 100_000],
        vec![
            Contestant::in_parts("cancelable", |size| {
                let limit = |number| pending::<()>().cancelable(timeout(end(number, size)));
                run(runtime(), (0..size).map(limit))
            }),
            Contestant::in_parts("tokio", |size| {
                // The timeout is created within the task, because it belongs to the runtime in which it is created.
                let limit = move |number| async move {
                    tokio::time::timeout(end(number, size), pending::<()>()).await
                };
                run(runtime(), (0..size).map(limit))
            }),
        ],
    );
}
