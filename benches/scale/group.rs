//! Tasks that are spawned and joined, one after another: a group, next to `JoinSet` and `TaskTracker` of tokio.

use std::future::Future;
use std::hint::black_box;
use std::time::Duration;

use cancelable::TaskGroup;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};
use tokio_util::sync::CancellationToken as TokioToken;
use tokio_util::task::TaskTracker;

use crate::measure::{Contestant, timed};
use crate::table::Table;

const SIZES: [usize; 2] = [1_000, 100_000];

pub(crate) fn rows(table: &mut Table) {
    let runtime = Builder::new_current_thread().build().expect("tokio has a runtime");
    row(table, "a task that is ready at once is spawned and joined", &runtime, async |number| {
        black_box(number)
    });
    row(table, "a task that yields once is spawned and joined", &runtime, async |number| {
        yield_now().await;
        black_box(number)
    });
}

/// Measures each way to spawn `size` tasks and to wait for all of them.
fn row<F>(table: &mut Table, name: &str, runtime: &Runtime, work: impl Fn(usize) -> F)
where
    F: Future<Output = usize> + Send + 'static,
{
    let group = |size| {
        let joined = async {
            let group = TaskGroup::new(|task| {
                tokio::spawn(task);
            });
            (0..size).for_each(|number| drop(group.spawn(work(number))));
            group.join().await.map_or(0, |results| results.len())
        };
        counted(runtime, size, joined)
    };
    let discarding = |size| {
        let joined = async {
            let group = TaskGroup::new(|task| {
                tokio::spawn(task);
            });
            let group = group.discard_results();
            (0..size).for_each(|number| drop(group.spawn(work(number))));
            group.join().await.map_or(0, |_| size)
        };
        counted(runtime, size, joined)
    };
    let join_set = |size| {
        let joined = async {
            let mut set = JoinSet::new();
            (0..size).for_each(|number| drop(set.spawn(work(number))));
            set.join_all().await.len()
        };
        counted(runtime, size, joined)
    };
    let tracker = |size| {
        let joined = async {
            let (tracker, token) = (TaskTracker::new(), TokioToken::new());
            for number in 0..size {
                let (token, work) = (token.clone(), work(number));
                tracker.spawn(async move { token.run_until_cancelled(work).await });
            }
            tracker.close();
            tracker.wait().await;
            size
        };
        counted(runtime, size, joined)
    };
    table.row(
        (name, Some(1.3)),
        &SIZES,
        vec![
            Contestant::new("cancelable", group),
            Contestant::new("JoinSet", join_set),
            Contestant::new("TaskTracker and a token", tracker),
            Contestant::new("cancelable, results discarded", discarding),
        ],
    );
}

fn counted(runtime: &Runtime, size: usize, joined: impl Future<Output = usize>) -> Duration {
    let (taken, count) = timed(|| runtime.block_on(joined));
    assert_eq!(count, size);
    taken
}
