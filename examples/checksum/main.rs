//! A command-line tool that prints the SHA-256 of every file below a directory, until a limit or a signal stops it.
//!
//! `cargo run --example checksum -- --help` explains how to use it. Only this file cancels work with the library. The
//! modules that walk, hash and report do not call it.

mod args;
mod hash;
mod report;
mod walk;

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cancelable::command_line::{self, End};
use cancelable::prelude::*;

use args::Args;
use clap::Parser;
use report::Report;

/// How often the number of bytes is compared with `--max-mib`.
const CHECK_EVERY: Duration = Duration::from_millis(10);

fn main() -> End {
    let args = Args::parse();
    let dir = args.dir.display();
    match std::fs::metadata(&args.dir) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return wrong_usage(format_args!("{dir}: not a directory")),
        Err(error) => return wrong_usage(format_args!("{dir}: {error}")),
    }

    let report = Arc::new(Report::new());
    let end = command_line::run(|_| run(&args, &report)).timeout(args.timeout).block_on();
    if end.cancelled().is_some() {
        // The work has been dropped. Its output and its counts are in the report.
        report.print_partial();
        // Blocks the thread on purpose, to show that a second signal ends the process even here.
        thread::sleep(args.linger);
    }
    end
}

fn wrong_usage(message: fmt::Arguments<'_>) -> End {
    report::say(message);
    ExitCode::from(report::USAGE).into()
}

/// Walks and hashes until everything is done, or `--max-mib` is exceeded.
async fn run(args: &Args, report: &Arc<Report>) -> io::Result<ExitCode> {
    let work = async {
        let files = walk::walk(&args.dir, args.all, report).await;
        hash::print_all(files, args.slow, report).await
    };
    let too_much = args.max_bytes().map(|limit| {
        let exceeded = condition(move || report.bytes_read() > limit);
        exceeded.every(CHECK_EVERY).named("max-mib")
    });
    match work.cancelable(any_of(too_much)).await {
        Ok(printed) => {
            printed?;
            report.print_total();
            Ok(ExitCode::from(report.exit_code()))
        }
        Err(exceeded) => {
            report.print_partial();
            report::say(format_args!("{exceeded}"));
            Ok(ExitCode::from(report::TOO_MUCH))
        }
    }
}
