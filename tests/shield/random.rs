//! Random programs on an executor written for this test: every task ends, and no code after an awaited section runs.
//!
//! A program is a tree of sections, operations, races, clean-up and combinators. It also has `block_on` in the work, in
//! destructors, in hooks and in wakers. The tasks of an executor that runs inside a race run such programs. Beside the
//! executor, the work of the race itself has combinators with sections.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use cancelable::prelude::*;
use futures::future::join;
use futures::stream::{FuturesUnordered, StreamExt};
use smol::future::yield_now;

use crate::support::{self, Wakes};

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A small generator of numbers. A failure can be repeated from its seed.
#[derive(Clone, Debug)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn split(&mut self) -> Numbers {
        Numbers(self.below(u64::MAX >> 34) << 20 | 1)
    }
}

/// An executor on one thread.
#[derive(Default)]
struct Executor {
    queue: Mutex<VecDeque<Arc<Task>>>,
    runner: Mutex<Option<Waker>>,
}

struct Task {
    executor: Arc<Executor>,
    future: Mutex<Option<Boxed>>,
    polling: AtomicBool,
    woken: AtomicBool,
    /// Whether the waker polls the task at once, inside `wake`.
    inline: bool,
}

impl Executor {
    fn spawn(self: &Arc<Self>, inline: bool, future: Boxed) {
        let task = Task {
            executor: self.clone(),
            future: Mutex::new(Some(future)),
            polling: AtomicBool::new(false),
            woken: AtomicBool::new(true),
            inline,
        };
        self.queue.lock().unwrap().push_back(Arc::new(task));
    }

    fn tick(&self) -> bool {
        let task = self.queue.lock().unwrap().pop_front();
        task.map(|task| task.poll()).is_some()
    }

    /// Runs tasks, at most a few in each poll. Never ready.
    async fn run(&self, ticks: u64) {
        poll_fn(|cx: &mut Context<'_>| {
            *self.runner.lock().unwrap() = Some(cx.waker().clone());
            for _ in 0..ticks {
                if !self.tick() {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

impl Task {
    fn poll(self: Arc<Self>) {
        self.polling.store(true, Ordering::SeqCst);
        self.woken.store(false, Ordering::SeqCst);
        let mut future = self.future.lock().unwrap().take();
        let waker = Waker::from(self.clone());
        if future.as_mut().is_some_and(|future| {
            future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
        }) {
            *self.future.lock().unwrap() = future;
        }
        self.polling.store(false, Ordering::SeqCst);
        if self.woken.load(Ordering::SeqCst) {
            self.schedule();
        }
    }

    fn schedule(self: &Arc<Self>) {
        self.executor.queue.lock().unwrap().push_back(self.clone());
        let runner = self.executor.runner.lock().unwrap().take();
        runner.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.woken.swap(true, Ordering::SeqCst) || self.polling.load(Ordering::SeqCst) {
            return;
        }
        if self.inline { self.poll() } else { self.schedule() }
    }
}

struct BlocksOnDrop(Numbers);

impl Drop for BlocksOnDrop {
    fn drop(&mut self) {
        smol::future::block_on(shield(program(self.0.clone(), 1)));
    }
}

/// A program that ends by itself.
fn program(mut numbers: Numbers, depth: u32) -> Boxed {
    Box::pin(async move {
        for _ in 0..=numbers.below(3) {
            let inner = numbers.split();
            if depth == 0 {
                yield_now().await;
                continue;
            }
            let part = |numbers: &mut Numbers| program(numbers.split(), depth - 1);
            match numbers.below(12) {
                0 => yield_now().await,
                1 | 2 => shield(part(&mut numbers)).await,
                3 => drop(part(&mut numbers).cancelable(never()).named("part").await),
                4 => {
                    let clean_up = part(&mut numbers);
                    let run = part(&mut numbers).cancelable(never()).finally(|_| clean_up);
                    drop(run.await);
                }
                5 => {
                    let token = CancellationToken::new();
                    let cancels = async {
                        yield_now().await;
                        token.cancel();
                    };
                    let _ = join(part(&mut numbers).cancelable(&token), cancels).await;
                }
                6 => drop(join(part(&mut numbers), part(&mut numbers)).await),
                7 => {
                    let parts = [part(&mut numbers), part(&mut numbers), part(&mut numbers)];
                    let mut all: FuturesUnordered<_> = parts.into_iter().collect();
                    while all.next().await.is_some() {}
                }
                8 => smol::future::block_on(part(&mut numbers)),
                9 => {
                    let _blocks = BlocksOnDrop(inner);
                    yield_now().await;
                }
                10 => {
                    let run = yield_now().cancelable(never());
                    let blocks = move |_: &Operation| {
                        smol::future::block_on(shield(program(inner, 1)));
                    };
                    drop(run.on_complete(blocks).await);
                }
                _ => {
                    let unpolled = yield_now().cancelable(never()).named("scope");
                    let operation = unpolled.operation();
                    operation.in_scope(part(&mut numbers)).await;
                }
            }
        }
    })
}

/// A part of the work of the race, in combinators with sections.
fn part(mut numbers: Numbers, depth: u32, seen: Arc<AtomicBool>) -> Boxed {
    Box::pin(async move {
        match numbers.below(3) {
            0 if depth > 0 => {
                let parts =
                    (0..=numbers.below(3)).map(|_| part(numbers.split(), depth - 1, seen.clone()));
                let mut all: FuturesUnordered<_> = parts.collect::<Vec<_>>().into_iter().collect();
                while all.next().await.is_some() {}
            }
            1 if depth > 0 => {
                let parts = [0, 1].map(|_| part(numbers.split(), depth - 1, seen.clone()));
                let [first, second] = parts;
                join(first, second).await;
            }
            _ => {
                for _ in 0..3 {
                    for _ in 0..numbers.below(3) {
                        yield_now().await;
                    }
                    let mut ended_late = false;
                    let mut begun_late = true;
                    shield(async {
                        begun_late = seen.load(Ordering::SeqCst);
                        for _ in 0..numbers.below(6) {
                            yield_now().await;
                        }
                        ended_late = seen.load(Ordering::SeqCst);
                    })
                    .await;
                    assert!(!begun_late, "a section began although a cancellation waits");
                    assert!(
                        !ended_late,
                        "the code after a section runs although a cancellation waits"
                    );
                }
            }
        }
    })
}

fn run(seed: u64) {
    let mut numbers = Numbers(seed);
    let executor = Arc::new(Executor::default());
    let done = Arc::new(AtomicUsize::new(0));
    let tasks = 1 + numbers.below(4) as usize;
    for _ in 0..tasks {
        let (body, done) = (program(numbers.split(), 3), done.clone());
        let inline = numbers.below(4) == 0;
        executor.spawn(
            inline,
            Box::pin(async move {
                body.await;
                done.fetch_add(1, Ordering::SeqCst);
            }),
        );
    }
    let (stop, seen) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
    let ticks = 1 + numbers.below(30);
    let work = {
        let (executor, part) = (executor.clone(), part(numbers.split(), 2, seen.clone()));
        async move { join(executor.run(ticks), part).await }
    };
    let race = work.cancelable(&stop);
    let named = numbers.below(2) == 0;
    let mut race = Box::pin(if named { race.named("worker") } else { race });
    let (wakes, cancel_at) = (Wakes::new(), numbers.below(12));
    let mut polls = 0;
    loop {
        if polls == cancel_at {
            stop.cancel();
        }
        let woken = wakes.count();
        let polled = wakes.poll(race.as_mut());
        seen.store(stop.is_cancelled(), Ordering::SeqCst);
        polls += 1;
        if polled.is_ready() {
            break;
        }
        assert!(polls < 100_000, "seed {seed}: the race does not end");
        if polls > cancel_at {
            assert!(wakes.count() > woken, "seed {seed}: the race waits, and nothing wakes it");
        }
    }
    drop(race);
    let mut after = 0;
    while executor.tick() {
        after += 1;
        assert!(after < 1_000_000, "seed {seed}: a task does not end");
    }
    assert_eq!(
        done.load(Ordering::SeqCst),
        tasks,
        "seed {seed}: a task is pending, and nothing wakes it"
    );
}

#[test]
fn every_task_ends() {
    let _watchdog = support::watchdog();
    let (first, number) = match std::env::var("SEED") {
        Ok(seed) => (seed.parse().unwrap(), 1),
        Err(_) => (0, 1_000),
    };
    for seed in first..first + number {
        run(seed);
    }
}

/// Tests the executor alone, because the random test relies on its wakers.
#[test]
fn executor_runs_tasks() {
    let _watchdog = support::watchdog();
    let executor = Arc::new(Executor::default());
    for inline in [false, true] {
        executor.spawn(inline, Box::pin(yield_now()));
    }
    let mut run = pin!(executor.run(100));
    assert!(Wakes::new().poll(run.as_mut()).is_pending());
    assert!(!executor.tick());
}
