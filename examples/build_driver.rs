//! Runs the steps of a build, a few at a time. Each step is a line for the shell. If a step fails, or the user presses
//! Ctrl-C, all other steps are stopped.
//!
//! `build_driver [--jobs 2] [--grace 5s] [--limit 10m] STEP...`: a step that is stopped has the grace period to end by
//! itself. After the grace period it is killed. `--limit` is the time limit of the whole build. A second Ctrl-C ends the
//! driver at once.
//!
//! For each step, the driver prints how the step ended, and its output. `build_driver 'echo 1' 'echo 2; exit 3' 'sleep 60'`
//! prints:
//!
//! ```text
//! ok: echo 1
//! 1
//! exit status: 3: echo 2; exit 3
//! 2
//! stopped (signal: 15 (SIGTERM)): sleep 60
//! ```
//!
//! The exit code is 0 if all steps succeeded, 1 if one failed, and 124 after the limit. After a signal the driver ends by
//! that signal.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use cancelable::command_line::{self, End, parse_duration};
use cancelable::group::TaskError;
use cancelable::prelude::*;
use cancelable::process::{Command, CommandError};
use clap::Parser;

/// How long a step may take to print its output.
const TO_PRINT: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Arguments {
    /// How many steps may run at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// How long a step that is stopped has to end by itself.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    grace: Duration,
    /// How long the build may take.
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    limit: Duration,
    /// The steps, in the order in which they start.
    #[arg(required = true)]
    steps: Vec<String>,
}

/// A step that did not succeed.
#[derive(Debug)]
struct StepFailed {
    step: String,
    how: String,
}

impl fmt::Display for StepFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.step, self.how)
    }
}

impl Error for StepFailed {}

/// Returns a command that runs a line in the shell. The shell leads a process group, so the programs that the shell starts
/// are stopped too.
fn shell(line: &str) -> Command {
    #[cfg(unix)]
    return Command::new("sh").arg("-c").arg(line).process_group();
    #[cfg(not(unix))]
    return Command::new("cmd").arg("/C").arg(line);
}

/// Runs a step and prints its output, even if the step is stopped.
async fn run(step: String, grace: Duration) -> Result<(), StepFailed> {
    let outcome = shell(&step).cancelable(never()).named(step.clone()).grace(grace).await;
    let (how, stdout, stderr) = match outcome {
        Ok(output) if output.status.success() => ("ok".to_owned(), output.stdout, output.stderr),
        Ok(output) => (output.status.to_string(), output.stdout, output.stderr),
        Err(CommandError::Cancelled(stopped)) => {
            let status = stopped.status.map(|status| format!(" ({status})")).unwrap_or_default();
            let verb = if stopped.cancelled.was_forced() { "killed" } else { "stopped" };
            (format!("{verb}{status}"), stopped.stdout, stopped.stderr)
        }
        Err(error) => (error.to_string(), Vec::new(), Vec::new()),
    };
    let text = [format!("{how}: {step}\n").into_bytes(), stdout].concat();
    // Writing fails if the terminal is gone. The step has run anyway.
    let _ = io::stdout().lock().write_all(&text);
    let _ = io::stderr().lock().write_all(&stderr);
    if how == "ok" { Ok(()) } else { Err(StepFailed { step, how }) }
}

/// Runs all steps.
async fn build(arguments: Arguments) -> Result<(), TaskError<StepFailed>> {
    // A step prints its output after its own grace period. The grace period of the group must not end before that.
    let group = TaskGroup::fallible(|task| smol::spawn(task).detach())
        .at_most(arguments.jobs)
        .grace(arguments.grace + TO_PRINT);
    for step in arguments.steps {
        group.try_spawn(run(step, arguments.grace));
    }
    group.try_join().await?;
    Ok(())
}

fn main() -> End {
    let arguments = Arguments::parse();
    let (limit, grace) = (arguments.limit, arguments.grace + TO_PRINT);
    command_line::run(|_| build(arguments)).timeout(limit).grace(grace).block_on()
}
