//! Measures spawning and joining many tasks, with a group and with `JoinSet` and `TaskTracker` of tokio.

use std::future::Future;
use std::hint::black_box;
use std::time::Duration;

use cancelable::TaskGroup;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};
use tokio_util::sync::CancellationToken as TokioToken;
use tokio_util::task::TaskTracker;

use crate::measure::{Contestant, timed};
use crate::memory;
use crate::table::Table;

const SIZES: [usize; 2] = [1_000, 100_000];

/// The number of tasks in a wave. A wave is spawned when all tasks of the wave before have ended.
const WAVE: usize = 1_000;

/// The number of tasks in all waves.
const MANY: usize = 1_000_000;

const GROUP: &str = "a group";
const JOIN_SET: &str = "JoinSet";
const TRACKER: &str = "TaskTracker";

pub(crate) fn rows(table: &mut Table) {
    let runtime = Builder::new_current_thread().build().expect("tokio has a runtime");
    row(table, "a task that is ready at once is spawned and joined", &runtime, async |number| {
        black_box(number)
    });
    row(table, "a task that yields once is spawned and joined", &runtime, async |number| {
        yield_now().await;
        black_box(number)
    });
    many(table, &runtime);
}

/// Measures many tasks that come in waves, and the memory that their owner keeps afterwards. The owner is the group, the
/// `JoinSet` or the `TaskTracker`.
fn many(table: &mut Table, runtime: &Runtime) {
    let contestants = [GROUP, JOIN_SET, TRACKER].map(|who| {
        let waves = move |size| timed(|| runtime.block_on(in_waves(who, size, &mut || ()))).0;
        Contestant::new(who, waves)
    });
    let size = table.few(MANY);
    let name = format!("tasks come in waves of {WAVE}, through one owner");
    table.row((&name, None), &[size], Vec::from(contestants));
    println!("\nbytes that the owner keeps after {size} tasks in waves of {WAVE}");
    for who in [GROUP, JOIN_SET, TRACKER] {
        match memory::of_child(who, size) {
            Some(kept) => println!("  {who:<34} {kept:.0}"),
            None => println!("  {who:<34} not known on this system"),
        }
    }
}

/// Runs the tasks in waves, and returns how many bytes memory has grown by since the first wave, while the owner is alive.
pub(crate) fn retained(who: &str, size: usize) -> Option<f64> {
    let runtime = Builder::new_current_thread().build().ok()?;
    let mut sizes = Vec::with_capacity(size / WAVE + 1);
    runtime.block_on(in_waves(who, size, &mut || sizes.push(memory::resident())));
    Some((*sizes.last()?)? - (*sizes.first()?)?)
}

/// Returns whether `who` is the name of an owner of tasks.
pub(crate) fn owns_tasks(who: &str) -> bool {
    [GROUP, JOIN_SET, TRACKER].contains(&who)
}

/// Runs `size` tasks in waves with the same owner, and calls `after` after each wave.
async fn in_waves(who: &str, size: usize, after: &mut dyn FnMut()) {
    let (waves, work) = (0..size.div_ceil(WAVE), async |number: usize| black_box(number));
    match who {
        GROUP => {
            let group = TaskGroup::new(|task| {
                tokio::spawn(task);
            });
            let group = group.discard_results();
            for _ in waves {
                (0..WAVE).for_each(|number| drop(group.spawn(work(number))));
                group.operation().children_ended().await;
                after();
            }
        }
        JOIN_SET => {
            let mut set = JoinSet::new();
            for _ in waves {
                (0..WAVE).for_each(|number| drop(set.spawn(work(number))));
                while set.join_next().await.is_some() {}
                after();
            }
        }
        _ => {
            let (tracker, token) = (TaskTracker::new(), TokioToken::new());
            for _ in waves {
                for number in 0..WAVE {
                    let (token, work) = (token.clone(), work(number));
                    tracker.spawn(async move { token.run_until_cancelled(work).await });
                }
                tracker.close();
                tracker.wait().await;
                tracker.reopen();
                after();
            }
        }
    }
}

/// Measures all ways to spawn tasks and to wait for all of them.
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
