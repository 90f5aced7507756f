//! Measures the cancellation of a token that many tasks wait for.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cancelable::CancellationToken;
use futures::executor::LocalPool;
use futures::future::join_all;
use futures::poll;
use futures::task::LocalSpawnExt;
use tokio_util::sync::CancellationToken as TokioToken;

use crate::limits::runtime_of_two;
use crate::measure::{Contestant, timed};
use crate::table::Table;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// Counts the wakes of one waiter.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns futures that wait for a token, and a closure that cancels the token.
fn ours(size: usize) -> (Vec<impl Future<Output = ()> + Send>, impl FnOnce()) {
    let token = CancellationToken::new();
    let wait = || {
        let wait = token.clone().cancelled_owned();
        async { drop(wait.await) }
    };
    let waits = (0..size).map(|_| wait()).collect();
    (waits, move || _ = token.cancel())
}

/// Returns the same as [`ours`], but for a token of tokio-util.
fn theirs(size: usize) -> (Vec<impl Future<Output = ()> + Send>, impl FnOnce()) {
    let token = TokioToken::new();
    let waits = (0..size).map(|_| token.clone().cancelled_owned()).collect();
    (waits, move || token.cancel())
}

/// Polls each future once with a waker of its own, and then measures `cancel`.
fn cancel_of<F: Future>((waits, cancel): (Vec<F>, impl FnOnce())) -> Duration {
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

/// Measures waking and dropping the wakers without a token. `cancel` cannot take less time than that.
fn wake_of(size: usize) -> Duration {
    let wakers: Vec<_> = (0..size).map(|_| Arc::new(Count::default())).collect();
    let list: Vec<_> = wakers.iter().map(|count| Waker::from(count.clone())).collect();
    let (taken, ()) = timed(|| list.into_iter().for_each(Waker::wake));
    assert!(wakers.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
    taken
}

/// Spawns the futures on a tokio runtime with two threads, and then calls `cancel` from a thread outside the runtime. Returns
/// the time of that call, and the time from its start until the last task has ended.
fn cancel_tasks<F>((waits, cancel): (Vec<F>, impl FnOnce())) -> [Duration; 2]
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime_of_two();
    let waiting = Arc::new(AtomicUsize::new(0));
    let spawn = |wait: F| {
        let waiting = waiting.clone();
        runtime.spawn(async move {
            let mut wait = pin!(wait);
            assert!(poll!(wait.as_mut()).is_pending());
            waiting.fetch_add(1, Ordering::Relaxed);
            wait.await;
        })
    };
    let tasks: Vec<_> = waits.into_iter().map(spawn).collect();
    while waiting.load(Ordering::Relaxed) < tasks.len() {
        std::thread::yield_now();
    }
    let (until_done, called) = timed(|| {
        let (called, ()) = timed(cancel);
        runtime.block_on(join_all(tasks));
        called
    });
    [called, until_done]
}

/// Spawns the futures on an executor with one thread, and then measures the time from the call of `cancel` until the last task
/// has ended.
fn cancel_until_done<F: Future<Output = ()> + 'static>(
    (waits, cancel): (Vec<F>, impl FnOnce()),
) -> Duration {
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
    table.row(
        ("tasks wait for one token: the call of `cancel`", Some(0.25)),
        &SIZES,
        vec![
            Contestant::new("cancelable", |size| cancel_of(ours(size))),
            Contestant::new("tokio-util", |size| cancel_of(theirs(size))),
            Contestant::new("floor: the wakers alone", wake_of),
        ],
    );

    table.row(
        ("tasks wait for one token: until the last task has ended", Some(0.7)),
        &SIZES,
        vec![
            Contestant::new("cancelable", |size| cancel_until_done(ours(size))),
            Contestant::new("tokio-util", |size| cancel_until_done(theirs(size))),
            Contestant::new("floor: the wakers alone", |size| {
                let list: Rc<RefCell<Vec<Waker>>> = Rc::default();
                let wait = || {
                    let list = list.clone();
                    // Each task is woken once, and then ends.
                    let mut listed = false;
                    poll_fn(move |cx| {
                        if std::mem::replace(&mut listed, true) {
                            return Poll::Ready(());
                        }
                        list.borrow_mut().push(cx.waker().clone());
                        Poll::Pending
                    })
                };
                let waits = (0..size).map(|_| wait()).collect();
                cancel_until_done((waits, || list.take().into_iter().for_each(Waker::wake)))
            }),
        ],
    );

    table.rows(
        [
            ("tasks of tokio wait for one token: the call of `cancel`", None),
            ("tasks of tokio wait for one token: until the last has ended", None),
        ],
        &SIZES,
        vec![
            Contestant::in_parts("cancelable", |size| cancel_tasks(ours(size))),
            Contestant::in_parts("tokio-util", |size| cancel_tasks(theirs(size))),
        ],
    );
}
