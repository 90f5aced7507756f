//! A command-line tool that prints the SHA-256 of every file below a directory, until a limit or a
//! signal stops it.
//!
//! `cargo run --example checksum -- --help` explains how to use it. Only `run` and `sources` use the
//! library: walking, hashing and reporting know nothing about cancellation.

mod args;
mod hash;
mod report;
mod walk;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::source::BoxSource;

use args::Args;
use clap::Parser;
use report::Report;

/// How often the number of bytes is compared with `--max-mib`.
const CHECK_EVERY: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let args = Args::parse();
    match std::fs::metadata(&args.dir) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return wrong_usage(&format!("{}: not a directory", args.dir.display())),
        Err(error) => return wrong_usage(&format!("{}: {error}", args.dir.display())),
    }
    match smol::block_on(run(&args)) {
        Ok(code) => code,
        Err(error) => {
            report::say(format_args!("{error}"));
            ExitCode::from(report::TROUBLE)
        }
    }
}

fn wrong_usage(message: &str) -> ExitCode {
    report::say(format_args!("{message}"));
    ExitCode::from(report::USAGE)
}

/// Races the work against everything that may cancel it.
async fn run(args: &Args) -> io::Result<ExitCode> {
    let report = Arc::new(Report::new());
    let work = async {
        let files = walk::walk(&args.dir, args.all, &report).await;
        hash::print_all(files, args.slow, &report).await
    };

    match work.cancelable(any_of(sources(args, &report)?)).await {
        Ok(printed) => {
            printed?;
            report.print_total();
            Ok(ExitCode::from(report.exit_code()))
        }
        Err(cancelled) => {
            // The work has been dropped; its output and its counts are still there.
            report.print_partial(cancelled.reason());
            // Blocks the thread on purpose: a second signal ends the process even here.
            thread::sleep(args.linger);
            Ok(report::exit_code_of(&cancelled))
        }
    }
}

/// Returns everything that may cancel the work. If several fire at once, the first one in the list is
/// the reason.
fn sources<'a>(args: &Args, report: &'a Report) -> io::Result<Vec<BoxSource<'a>>> {
    let mut sources: Vec<BoxSource<'a>> = vec![Box::pin(termination()?.second_signal_exits())];
    if let Some(limit) = args.timeout {
        sources.push(Box::pin(timeout(limit)));
    }
    if let Some(limit) = args.max_bytes() {
        let exceeded = condition(move || report.bytes_read() > limit);
        sources.push(Box::pin(exceeded.every(CHECK_EVERY).named("max-mib")));
    }
    Ok(sources)
}
