//! Measures how late limits fire: on an idle runtime, beside tasks that compute, and beside sockets.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use futures::future::join_all;
use futures::{AsyncReadExt, AsyncWriteExt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::limits::runtime_of_two;
use crate::table::Table;

/// The longest limit. The others are spread evenly below it.
const LONGEST: Duration = Duration::from_secs(3);
const COUNTS: [usize; 3] = [200_000, 20_000, 2_000];
/// How long a task of the load computes in each poll.
const BURN: Duration = Duration::from_micros(500);
const BURNERS: usize = 4;
const SOCKETS: usize = 64;

/// The goal: our lateness may be at most this many times the lateness of the peer, at p50, p99 and p999.
const ALLOWED: f64 = 1.5;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The load: other tasks that run on the runtime while the limits are measured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Load {
    None,
    /// Tasks that compute, and yield with `yield_now` of tokio, which lets its driver run.
    Yielding,
    /// Tasks that compute, and wake themselves.
    Waking,
    /// Pairs of sockets that send a byte to and fro.
    Sockets,
}

impl Load {
    fn name(self) -> &'static str {
        match self {
            Load::None => "no load",
            Load::Yielding => "four tasks compute 500 µs a poll and yield",
            Load::Waking => "four tasks compute 500 µs a poll and wake themselves",
            Load::Sockets => "64 pairs of sockets exchange bytes",
        }
    }
}

fn burn() {
    let began = Instant::now();
    while began.elapsed() < BURN {
        std::hint::spin_loop();
    }
}

/// Returns a task that computes in each poll until `stop` is set.
fn burner(stop: Arc<AtomicBool>, yields: bool) -> Task {
    Box::pin(async move {
        while !stop.load(Ordering::Relaxed) {
            burn();
            if yields {
                tokio::task::yield_now().await;
            } else {
                let mut polled = false;
                poll_fn(|cx| {
                    if std::mem::replace(&mut polled, true) {
                        return Poll::Ready(());
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
            }
        }
    })
}

/// A runtime with two threads, and its own way to sleep.
trait Runtime {
    type Task: Future<Output = ()>;
    fn spawn(&self, task: Task) -> Self::Task;
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    fn sleep(length: Duration) -> impl Future<Output = ()> + Send + 'static;
    /// Returns two tasks that exchange bytes until `stop` is set.
    fn sockets(&self, stop: &Arc<AtomicBool>) -> [Task; 2];
}

struct Tokio(tokio::runtime::Runtime);

impl Runtime for Tokio {
    type Task = Pin<Box<dyn Future<Output = ()>>>;

    fn spawn(&self, task: Task) -> Self::Task {
        let task = self.0.spawn(task);
        Box::pin(async { task.await.expect("the task does not panic") })
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    async fn sleep(length: Duration) {
        tokio::time::sleep(length).await;
    }

    fn sockets(&self, stop: &Arc<AtomicBool>) -> [Task; 2] {
        let _entered = self.0.enter();
        let pair = std::os::unix::net::UnixStream::pair().expect("there are descriptors left");
        [pair.0, pair.1].map(|socket| {
            let stop = stop.clone();
            socket.set_nonblocking(true).expect("it can be switched");
            let mut socket =
                tokio::net::UnixStream::from_std(socket).expect("it can be registered");
            let task: Task = Box::pin(async move {
                let mut byte = [0];
                loop {
                    let stops = stop.load(Ordering::Relaxed);
                    if socket.write_all(&byte).await.is_err() || stops {
                        return;
                    }
                    if socket.read_exact(&mut byte).await.is_err() {
                        return;
                    }
                }
            });
            task
        })
    }
}

/// An executor of `smol` that runs on two threads, with the timers of `async-io`.
struct Smol {
    executor: Arc<smol::Executor<'static>>,
    /// When the sender is dropped, the threads end.
    _stop: smol::channel::Sender<()>,
}

impl Smol {
    fn new() -> Self {
        let executor = Arc::new(smol::Executor::new());
        let (stop, stopped) = smol::channel::bounded(1);
        for _ in 0..2 {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            std::thread::spawn(move || smol::block_on(executor.run(stopped.recv())));
        }
        Smol { executor, _stop: stop }
    }
}

impl Runtime for Smol {
    type Task = smol::Task<()>;

    fn spawn(&self, task: Task) -> Self::Task {
        self.executor.spawn(task)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(future)
    }

    async fn sleep(length: Duration) {
        smol::Timer::after(length).await;
    }

    fn sockets(&self, stop: &Arc<AtomicBool>) -> [Task; 2] {
        let pair = smol::Async::<std::os::unix::net::UnixStream>::pair()
            .expect("there are descriptors left");
        [pair.0, pair.1].map(|mut socket| {
            let stop = stop.clone();
            let task: Task = Box::pin(async move {
                let mut byte = [0];
                loop {
                    let stops = stop.load(Ordering::Relaxed);
                    if socket.write_all(&byte).await.is_err() || stops {
                        return;
                    }
                    if socket.read_exact(&mut byte).await.is_err() {
                        return;
                    }
                }
            });
            task
        })
    }
}

/// Spawns tasks that each wait for a limit, then starts the load. Returns the lateness of each task, sorted.
fn measure<R: Runtime, F: Future + Send + 'static>(
    runtime: &R,
    count: usize,
    longest: Duration,
    load: Load,
    limit: fn(Duration) -> F,
) -> Vec<Duration> {
    let late: Arc<Vec<AtomicUsize>> = Arc::new((0..count).map(|_| AtomicUsize::new(0)).collect());
    let waiting = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let (late, waiting) = (late.clone(), waiting.clone());
            // The stride mixes the lengths. It has no divisor in common with the counts, so that every length is used once.
            let length = longest.mul_f64((number * 7_919 % count + 1) as f64 / count as f64);
            runtime.spawn(Box::pin(async move {
                waiting.fetch_add(1, Ordering::Relaxed);
                let began = Instant::now();
                limit(length).await;
                let passed = began.elapsed();
                assert!(passed >= length, "early: {passed:?} instead of {length:?}");
                late[number].store((passed - length).as_nanos() as usize, Ordering::Relaxed);
            }))
        })
        .collect();
    while waiting.load(Ordering::Relaxed) < count {
        std::thread::sleep(Duration::from_millis(1));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let others: Vec<Task> = match load {
        Load::None => Vec::new(),
        Load::Yielding => (0..BURNERS).map(|_| burner(stop.clone(), true)).collect(),
        Load::Waking => (0..BURNERS).map(|_| burner(stop.clone(), false)).collect(),
        Load::Sockets => (0..SOCKETS).flat_map(|_| runtime.sockets(&stop)).collect(),
    };
    let others: Vec<_> = others.into_iter().map(|task| runtime.spawn(task)).collect();
    runtime.block_on(join_all(tasks));
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(join_all(others));
    let mut late: Vec<_> =
        late.iter().map(|late| Duration::from_nanos(late.load(Ordering::Relaxed) as u64)).collect();
    late.sort();
    late
}

/// Returns the loads that the command line names, or all of them.
fn chosen_loads() -> Vec<Load> {
    let all = [Load::None, Load::Yielding, Load::Waking, Load::Sockets];
    let is_named = |load: &Load| std::env::args().any(|word| word == format!("{load:?}"));
    let named: Vec<_> = all.into_iter().filter(is_named).collect();
    if named.is_empty() { all.to_vec() } else { named }
}

pub(crate) fn rows(table: &mut Table) {
    let chosen: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let is_chosen = |count: &usize| chosen.is_empty() || chosen.contains(count);
    for load in chosen_loads() {
        for count in COUNTS.into_iter().filter(is_chosen) {
            println!("\n{count} limits of 0 to 3 s on two threads, {}: late by", load.name());
            let (few, longest) = table.few_limits(count, LONGEST);
            let peer = {
                let runtime = Tokio(runtime_of_two());
                measure(&runtime, few, longest, load, Tokio::sleep)
            };
            show("tokio::time::sleep on tokio", &peer);
            let runtime = Tokio(runtime_of_two());
            let mut judge = |on: &str, ours: &[Duration]| {
                show(&format!("cancelable on {on}"), ours);
                for (part, permille) in PARTS {
                    let share =
                        at(ours, permille).as_secs_f64() / at(&peer, permille).as_secs_f64();
                    let title = format!("{count} limits on {on}, {}: {part}", load.name());
                    table.judge_size((&title, Some(ALLOWED)), share);
                }
            };
            judge("tokio", &measure(&runtime, few, longest, load, limit));
            if load != Load::Yielding {
                judge("smol", &measure(&Smol::new(), few, longest, load, limit));
                show(
                    "smol::Timer on smol",
                    &measure(&Smol::new(), few, longest, load, Smol::sleep),
                );
            }
        }
    }
}

async fn limit(length: Duration) {
    drop(pending::<()>().cancelable(timeout(length)).await);
}

const PARTS: [(&str, usize); 3] = [("p50", 500), ("p99", 990), ("p999", 999)];

fn at(sorted: &[Duration], permille: usize) -> Duration {
    sorted[(sorted.len() * permille / 1_000).min(sorted.len() - 1)]
}

fn show(name: &str, sorted: &[Duration]) {
    let parts =
        PARTS.map(|(part, of)| format!("{part} {:>8.2} ms", at(sorted, of).as_secs_f64() * 1e3));
    println!("  {name:<34} {}", parts.join("  "));
}
