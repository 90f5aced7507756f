//! Measures two threads that do the same at once: read the flag of a token, set limits, or wait for a token.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cancelable::prelude::*;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken as TokioToken;

use crate::limits::with_timers;
use crate::measure::{Contestant, on_two_threads};
use crate::table::Table;

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

pub(crate) fn rows(table: &mut Table) {
    reading(table);
    setting(table, &with_timers());
}

fn reading(table: &mut Table) {
    fn read(size: usize, is_cancelled: impl Fn() -> bool + Sync) -> Duration {
        on_two_threads(|| (0..size).for_each(|_| assert!(!black_box(is_cancelled()))))
    }
    let (ours, theirs) = (CancellationToken::new(), TokioToken::new());
    table.row(
        ("two threads at once: `is_cancelled` of one token", Some(0.2)),
        &[1_000_000, 10_000_000],
        vec![
            Contestant::new("cancelable", |size| read(size, || ours.is_cancelled())),
            Contestant::new("tokio-util", |size| read(size, || theirs.is_cancelled())),
        ],
    );
}

fn setting(table: &mut Table, runtime: &Runtime) {
    /// Measures two threads that each create waits, poll each wait once, and drop it.
    fn twice<F: Future>(
        runtime: &Runtime,
        size: usize,
        wait: impl Fn(usize) -> F + Sync,
    ) -> Duration {
        on_two_threads(|| {
            let _entered = runtime.enter();
            let waker = Waker::from(Arc::new(Ignore));
            let mut cx = Context::from_waker(&waker);
            for number in 0..size {
                assert!(pin!(wait(number)).poll(&mut cx).is_pending());
            }
        })
    }
    let sizes = [10_000, 100_000];
    let limit = Duration::from_secs(60);
    table.row(
        ("two threads at once: a limit is set and dropped", Some(0.6)),
        &sizes,
        vec![
            Contestant::new("cancelable", |size| twice(runtime, size, |_| timeout(limit))),
            Contestant::new("tokio", |size| twice(runtime, size, |_| tokio::time::sleep(limit))),
        ],
    );
    let (ours, theirs) = (CancellationToken::new(), TokioToken::new());
    table.row(
        ("two threads at once: a wait for one token begins and is dropped", Some(0.6)),
        &sizes,
        vec![
            Contestant::new("cancelable", |size| twice(runtime, size, |_| ours.cancelled())),
            Contestant::new("tokio-util", |size| twice(runtime, size, |_| theirs.cancelled())),
        ],
    );
}
