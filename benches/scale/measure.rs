//! Measures in rounds: each contestant does the same job at several sizes.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// The minimum number of rounds, and the time during which further rounds start. There are at most a hundred rounds.
const ROUNDS: (usize, Duration) = (9, Duration::from_millis(200));

/// One way to do a job of a given size. The job has `PARTS` measured parts, and returns the time of each part itself, so that
/// its set-up and the drops at its end are not measured.
pub(crate) struct Contestant<'a, const PARTS: usize = 1> {
    pub(crate) name: &'static str,
    job: Box<dyn FnMut(usize) -> [Duration; PARTS] + 'a>,
}

impl<'a> Contestant<'a> {
    pub(crate) fn new(name: &'static str, mut job: impl FnMut(usize) -> Duration + 'a) -> Self {
        Contestant::in_parts(name, move |size| [job(size)])
    }
}

impl<'a, const PARTS: usize> Contestant<'a, PARTS> {
    pub(crate) fn in_parts(
        name: &'static str,
        job: impl FnMut(usize) -> [Duration; PARTS] + 'a,
    ) -> Self {
        Contestant { name, job: Box::new(job) }
    }
}

/// Returns the nanoseconds per unit of size for each contestant and part, as the median of the rounds. Each contestant has one
/// turn per round, so that other load on the machine affects all contestants.
pub(crate) fn measure<const PARTS: usize>(
    contestants: &mut [Contestant<'_, PARTS>],
    size: usize,
    quick: bool,
) -> Vec<[f64; PARTS]> {
    let mut taken = vec![[const { Vec::new() }; PARTS]; contestants.len()];
    let start = Instant::now();
    for round in 0..100 {
        if round > 0 && quick || round >= ROUNDS.0 && start.elapsed() > ROUNDS.1 {
            break;
        }
        // A different contestant starts each round.
        for offset in 0..contestants.len() {
            let index = (round + offset) % contestants.len();
            let parts = (contestants[index].job)(size);
            for (rounds, part) in taken[index].iter_mut().zip(parts) {
                rounds.push(part.as_nanos() as f64 / size as f64);
            }
        }
    }
    taken.into_iter().map(|parts| parts.map(median)).collect()
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// Runs a closure, and returns the elapsed time and its result.
pub(crate) fn timed<R>(f: impl FnOnce() -> R) -> (Duration, R) {
    let start = Instant::now();
    let result = f();
    (start.elapsed(), result)
}

/// Runs the same closure on two threads at once, and returns the time of the slower thread. The measurement starts when both
/// threads are running.
pub(crate) fn on_two_threads(turn: impl Fn() + Sync) -> Duration {
    let both = Barrier::new(2);
    let turn = &|number| {
        take_processor(number);
        both.wait();
        timed(&turn).0
    };
    thread::scope(|scope| {
        let threads = [0, 1].map(|number| scope.spawn(move || turn(number)));
        let taken = threads.map(|thread| thread.join().expect("the thread has done its turn"));
        taken[0].max(taken[1])
    })
}

/// Pins the calling thread to a processor of its own, if it may use at least two processors. Two threads on the same processor
/// would not run at once.
#[cfg(target_os = "linux")]
fn take_processor(number: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let Ok(all) = sched_getaffinity(None) else { return };
    if all.count() < 2 {
        return;
    }
    let mut one = CpuSet::new();
    (0..CpuSet::MAX_CPU)
        .filter(|at| all.is_set(*at))
        .skip(number)
        .take(1)
        .for_each(|at| one.set(at));
    // If pinning is not allowed, the system chooses.
    _ = sched_setaffinity(None, &one);
}

/// On other platforms, the system chooses the processor.
#[cfg(not(target_os = "linux"))]
fn take_processor(_: usize) {}

/// Returns the CPU time of this process.
#[cfg(unix)]
pub(crate) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// On other platforms, the CPU time is unknown.
#[cfg(not(unix))]
pub(crate) fn processor_time() -> Duration {
    Duration::ZERO
}
