//! Tokens: many tasks that wait for one, many children, long chains, and flags that are only read.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;

use cancelable::CancellationToken;
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use tokio_util::sync::CancellationToken as TokioToken;

use crate::measure::{Contestant, Table, timed};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// One waker for each who waits.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls each once, so that all wait, each with a waker of its own; then times `cancel`.
fn cancel_of<F: Future>(waits: Vec<F>, cancel: impl FnOnce()) -> std::time::Duration {
    let wakers: Vec<_> = waits.iter().map(|_| Arc::new(Count::default())).collect();
    let mut waits: Vec<Pin<Box<F>>> = waits.into_iter().map(Box::pin).collect();
    for (wait, count) in waits.iter_mut().zip(&wakers) {
        let waker = Waker::from(count.clone());
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let (taken, ()) = timed(cancel);
    assert!(wakers.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
    taken
}

/// Spawns each on an executor of one thread; then times from `cancel` until the last has ended.
fn cancel_until_done<F: Future<Output = ()> + 'static>(
    waits: Vec<F>,
    cancel: impl FnOnce(),
) -> std::time::Duration {
    let mut pool = LocalPool::new();
    for wait in waits {
        pool.spawner().spawn_local(wait).expect("the pool is there");
    }
    pool.run_until_stalled();
    let (taken, ()) = timed(|| {
        cancel();
        pool.run();
    });
    taken
}

pub(crate) fn rows(table: &mut Table) {
    waiting(table);
    children(table);
    reading(table);
}

fn waiting(table: &mut Table) {
    let ours = |size| {
        let token = CancellationToken::new();
        cancel_of((0..size).map(|_| token.clone().cancelled_owned()).collect(), || {
            token.cancel();
        })
    };
    let theirs = |size| {
        let token = TokioToken::new();
        let waits = (0..size).map(|_| token.clone().cancelled_owned()).collect();
        cancel_of(waits, || token.cancel())
    };
    table.row(
        "so many wait for one token: the call of `cancel`",
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );

    let ours = |size| {
        let token = CancellationToken::new();
        let wait = || {
            let wait = token.clone().cancelled_owned();
            async { drop(wait.await) }
        };
        cancel_until_done((0..size).map(|_| wait()).collect(), || {
            token.cancel();
        })
    };
    let theirs = |size| {
        let token = TokioToken::new();
        let waits = (0..size).map(|_| token.clone().cancelled_owned()).collect();
        cancel_until_done(waits, || token.cancel())
    };
    table.row(
        "the same, until the last task has ended",
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );
}

fn children(table: &mut Table) {
    let ours = |size| {
        let parent = CancellationToken::new();
        timed(|| (0..size).for_each(|_| drop(black_box(parent.child_token())))).0
    };
    let theirs = |size| {
        let parent = TokioToken::new();
        timed(|| (0..size).for_each(|_| drop(black_box(parent.child_token())))).0
    };
    table.row(
        "a child is made and dropped",
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );

    let ours = |size| {
        let parent = CancellationToken::new();
        let children: Vec<_> = (0..size).map(|_| parent.child_token()).collect();
        let (taken, _) = timed(|| parent.cancel());
        assert!(children.iter().all(CancellationToken::is_cancelled));
        taken
    };
    let theirs = |size| {
        let parent = TokioToken::new();
        let children: Vec<_> = (0..size).map(|_| parent.child_token()).collect();
        let (taken, ()) = timed(|| parent.cancel());
        assert!(children.iter().all(TokioToken::is_cancelled));
        taken
    };
    table.row(
        "so many children: their parent is cancelled",
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );

    let ours = |size| {
        let root = CancellationToken::new();
        let mut chain = vec![root.child_token()];
        (1..size).for_each(|at| chain.push(chain[at - 1].child_token()));
        let (taken, ()) = timed(|| {
            root.cancel();
            assert!(chain.last().is_some_and(CancellationToken::is_cancelled));
            drop(chain);
        });
        taken
    };
    // Deeper ones overflow the stack of tokio-util's.
    let theirs = |size: usize| {
        let size = size.min(1_000);
        let root = TokioToken::new();
        let mut chain = vec![root.child_token()];
        (1..size).for_each(|at| chain.push(chain[at - 1].child_token()));
        let (taken, ()) = timed(|| {
            root.cancel();
            assert!(chain.last().is_some_and(TokioToken::is_cancelled));
            drop(chain);
        });
        taken
    };
    table.row(
        "a chain of so many is cancelled and dropped",
        &SIZES,
        vec![Contestant::new("cancelable", ours)],
    );
    table.row(
        "the same at a depth that both survive",
        &[1_000],
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );
}

fn reading(table: &mut Table) {
    /// Reads so many times on each of two threads at once.
    fn read(size: usize, is_cancelled: impl Fn() -> bool + Sync) -> std::time::Duration {
        let read = || (0..size).for_each(|_| assert!(!black_box(is_cancelled())));
        let (taken, ()) = timed(|| {
            thread::scope(|scope| {
                scope.spawn(read);
                read();
            });
        });
        taken
    }
    let (ours, theirs) = (CancellationToken::new(), TokioToken::new());
    table.row(
        "`is_cancelled` on two threads at once",
        &[100_000, 1_000_000],
        vec![
            Contestant::new("cancelable", |size| read(size, || ours.is_cancelled())),
            Contestant::new("tokio-util", |size| read(size, || theirs.is_cancelled())),
        ],
    );
}
