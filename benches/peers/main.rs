//! What it costs to put work under limits that do not strike: this crate beside its peers.
//!
//! `cargo bench --bench peers` measures and judges. After `--`: `--quick` only shows that everything
//! runs; `--loop ROW CONTESTANT TIMES` lets one contestant run by itself, for profilers.
//! What is measured is told in `docs/performance.md`.

mod measure;
mod report;
mod rows;
mod work;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::measure::{Contestant, Effort, clock_read, measure};
use crate::report::Report;
use crate::rows::Limits;

/// What the work is called, and how often it is pending before it is ready.
const WORK: [(&str, u32); 3] = [("ready", 0), ("once", 1), ("100 polls", 99)];

/// What the limits are called, who can do it, and for each work the share of the time of the first
/// peer that ours may take.
type Row<'a> = (&'static str, Vec<Contestant<'a>>, [Option<f64>; 3]);

fn rows(limits: &Limits) -> [Row<'_>; 5] {
    [
        ("timeout", limits.timeout(), [Some(1.0), Some(0.6), Some(0.3)]),
        ("token", limits.token(), [None; 3]),
        ("timeout + token", limits.both(), [None; 3]),
        ("timeout + token + SIGTERM", limits.all_three(), [None; 3]),
        ("timeout of an operation", limits.operation(), [None, Some(2.0), None]),
    ]
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime = new_runtime();
    have_timers(&runtime);
    let _entered = runtime.enter();
    let limits = Limits::new(new_runtime());
    match arguments[..] {
        [] => run(&limits, Effort { rounds: 200, turn: Duration::from_micros(500) }).verdict(),
        ["--quick"] => {
            run(&limits, Effort { rounds: 3, turn: Duration::from_micros(50) });
            ExitCode::SUCCESS
        }
        ["--loop", row, contestant, times] => repeat(&limits, row, contestant, times),
        _ => {
            eprintln!("usage: peers [--quick | --loop \"WORK, LIMITS\" CONTESTANT TIMES]");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints all rows.
fn run(limits: &Limits, effort: Effort) -> Report {
    let start = Instant::now();
    let mut report = Report::new(clock_read(effort));
    for (limits, mut contestants, shares) in rows(limits) {
        for ((work, pends), share) in WORK.into_iter().zip(shares) {
            if !contestants.is_empty() {
                let measured = measure(&mut contestants, pends, effort);
                report.row(&format!("{work}, {limits}"), &measured, share);
            }
        }
    }
    println!("\n{effort:?}, {:.1} s", start.elapsed().as_secs_f64());
    report
}

/// Lets one contestant do its job so many times.
fn repeat(limits: &Limits, row: &str, contestant: &str, times: &str) -> ExitCode {
    let Ok(times) = times.parse() else {
        eprintln!("not a number: {times}");
        return ExitCode::FAILURE;
    };
    for (limits, mut contestants, _) in rows(limits) {
        for (work, pends) in WORK {
            for each in &mut contestants {
                if row == format!("{work}, {limits}") && each.name == contestant {
                    each.take_turn(pends, times);
                    return ExitCode::SUCCESS;
                }
            }
        }
    }
    eprintln!("no such row or contestant");
    ExitCode::FAILURE
}

/// A runtime for the timers and signals of tokio. Nobody drives it while the others are measured.
fn new_runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("the runtime can be made")
}

/// Gives a runtime a timer that ends before those that are measured, as in a program with many of
/// them. A timer that ends before all others costs tokio a system call.
fn have_timers(runtime: &Runtime) {
    runtime.spawn(async { tokio::time::sleep(Duration::from_secs(50)).await });
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
}
