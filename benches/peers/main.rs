//! Measures the cost of putting work under limits that never fire, for this crate and its peers.
//!
//! `cargo bench --bench peers` measures all rows twice: in the profile that it was built with, and with link-time
//! optimisation. A share is our time divided by the time of a peer. The worst share of each row is judged.
//!
//! After `--`: `--strict` exits with 1 if a row misses its goal; `--quick` only checks that everything runs, in one profile;
//! `--profile` measures one profile and judges nothing; `--loop ROW CONTESTANT TIMES` runs one contestant alone, for
//! profilers. See `docs/performance.md` for details.

mod contestant;
mod floor;
mod measure;
mod report;
mod rows;
mod shares;
mod work;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::contestant::{Contestant, Way};
use crate::floor::{FLOOR, floor};
use crate::measure::{Effort, clock_read, measure};
use crate::report::Report;
use crate::rows::Limits;
use crate::shares::{Shares, of_other_profile};

/// The kinds of work: their names, and how often each is pending before it is ready.
const WORK: [(&str, u32); 3] = [("ready", 0), ("once", 1), ("100 polls", 99)];

/// One set of limits.
struct Row {
    limits: &'static str,
    /// All contestants that can race work against these limits, ours first.
    contestants: Vec<Contestant>,
    /// The goal for each kind of work: the largest allowed share, which is our time divided by the first peer's time when
    /// both are polled by hand. The worst share of both profiles and of both loops counts.
    shares: [Option<f64>; 3],
}

impl Row {
    fn new(
        limits: &'static str,
        contestants: Vec<Contestant>,
        floor: Option<Contestant>,
        shares: [Option<f64>; 3],
    ) -> Self {
        Row { limits, contestants: contestants.into_iter().chain(floor).collect(), shares }
    }
}

fn rows(limits: &'static Limits) -> [Row; 5] {
    const NONE: Option<f64> = None;
    let both = "timeout + token";
    let all_three = "timeout + token + SIGTERM";
    [
        Row::new(
            "timeout",
            limits.timeout(),
            Some(floor(true, 1)),
            [Some(0.9), Some(0.6), Some(0.15)],
        ),
        Row::new(
            "token",
            limits.token(),
            Some(floor(false, 1)),
            [Some(0.8), Some(0.7), Some(0.15)],
        ),
        Row::new(both, limits.both(), Some(floor(true, 2)), [Some(0.9), Some(0.65), Some(0.12)]),
        Row::new(
            all_three,
            limits.all_three(),
            Some(floor(true, 3)),
            [NONE, Some(0.65), Some(0.12)],
        ),
        Row::new("timeout of an operation", limits.operation(), None, [NONE, Some(2.2), NONE]),
    ]
}

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let given = arguments.len();
    arguments.retain(|word| word != "--strict");
    let strict = arguments.len() < given;
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime: &'static Runtime = Box::leak(Box::new(new_runtime()));
    have_timers(runtime);
    let _entered = runtime.enter();
    let limits: &'static Limits = Box::leak(Box::new(Limits::new(new_runtime())));
    let full = Effort { rounds: 200, turn: Duration::from_micros(500) };
    let effort = match arguments[..] {
        [] | ["--profile"] => full,
        ["--quick"] => Effort { rounds: 3, turn: Duration::from_micros(50) },
        ["--loop", row, contestant, times] => return repeat(limits, row, contestant, times),
        _ => {
            eprintln!(
                "usage: peers [--strict] [--quick | --profile | --loop \"WORK, LIMITS\" CONTESTANT TIMES]"
            );
            return ExitCode::FAILURE;
        }
    };
    let mut shares = run(limits, runtime, effort);
    if arguments == ["--profile"] {
        shares.print_lines();
        return ExitCode::SUCCESS;
    }
    if arguments.is_empty() {
        match of_other_profile() {
            Ok(others) => shares.extend(others),
            Err(error) => {
                eprintln!("the other profile: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    let met = shares.print();
    if met || !strict { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures and prints all rows. Returns our shares.
fn run(limits: &'static Limits, runtime: &'static Runtime, effort: Effort) -> Shares {
    let start = Instant::now();
    let mut report = Report::new(clock_read(effort));
    for (title, way) in [
        ("Polled by hand, in place", Way::InPlace),
        ("Polled by hand, by value", Way::ByValue),
        ("Within a task of tokio", Way::Task(runtime)),
    ] {
        println!("\n== {title}");
        have_timers(runtime);
        for row in rows(limits) {
            measure_row(&mut report, row, way, effort);
        }
    }
    println!("\n{effort:?}, {:.1} s", start.elapsed().as_secs_f64());
    report.shares
}

/// Measures and prints every kind of work of one row. Within a task, the goal is not to be slower than the first peer, and
/// operations are not judged.
fn measure_row(report: &mut Report, mut row: Row, way: Way, effort: Effort) {
    for ((work, pends), share) in WORK.into_iter().zip(row.shares) {
        let (by_hand, prefix) = match way {
            Way::InPlace | Way::ByValue => (true, ""),
            Way::Task(_) => (false, "in a task: "),
        };
        let name = format!("{prefix}{work}, {}", row.limits);
        let share = if by_hand { share } else { share.filter(|share| *share < 1.0).and(Some(1.0)) };
        // The floor registers once, so it is compared only with work that is pending once. Work that is ready at once registers
        // nothing. Work that is pending more often is polled more often, but does not register again.
        let floor = by_hand && pends == 1;
        let contestants = row.contestants.iter_mut().filter(|each| floor || each.name != FLOOR);
        let mut contestants: Vec<_> = contestants.collect();
        if !contestants.is_empty() {
            report.row(&name, &measure(&mut contestants, way, pends, effort), share);
        }
    }
}

/// Runs the job of one contestant `times` times.
fn repeat(limits: &'static Limits, row: &str, contestant: &str, times: &str) -> ExitCode {
    let Ok(times) = times.parse() else {
        eprintln!("not a number: {times}");
        return ExitCode::FAILURE;
    };
    for Row { limits, mut contestants, .. } in rows(limits) {
        for (work, pends) in WORK {
            for each in &mut contestants {
                let row_here = format!("{work}, {limits}");
                let way = match row.strip_prefix(&row_here) {
                    Some("") => Way::InPlace,
                    Some(", by value") => Way::ByValue,
                    _ => continue,
                };
                if each.name == contestant {
                    each.take_turn(way, pends, times);
                    return ExitCode::SUCCESS;
                }
            }
        }
    }
    eprintln!("no such row or contestant");
    ExitCode::FAILURE
}

/// Creates a runtime for tokio's timers and signals. No thread drives the runtime while contestants are polled by hand.
fn new_runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("the runtime can be made")
}

/// Gives a runtime a timer that is due before the measured timers. Without it, each measured timer would be the first that is
/// due, and would cost tokio a system call. In a program with many timers that is rare.
fn have_timers(runtime: &Runtime) {
    runtime.spawn(async { tokio::time::sleep(Duration::from_secs(50)).await });
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
}
