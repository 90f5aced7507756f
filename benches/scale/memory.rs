//! Measures the memory that a wait takes: its future, and its entries in the token and the timer.

use std::future::{Future, pending};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cancelable::prelude::*;
use tokio_util::sync::CancellationToken as TokioToken;

use crate::group;
use crate::limits::{length, new_runtime};
use crate::table::{Table, Title};

/// The argument that makes this program create waits and print how much memory they take.
pub(crate) const HOLD: &str = "--hold";

const OURS: &str = "cancelable";
const THEIRS: &str = "tokio::select!";

/// A time limit that never fires, because it is longer than any measurement.
const LIMIT: Duration = Duration::from_secs(60);

/// The lengths of the limits.
const SAME: &str = "one length";
const MIXED: &str = "mixed length";

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// Returns the bytes per wait. The waits are created in a fresh child process, and the memory of that process is read. A
/// counting allocator in this process would slow down all other rows.
fn held(who: &str, lengths: &str, size: usize) -> Option<f64> {
    of_child(&format!("{who}, {lengths}"), size)
}

/// Runs [`hold`] in a fresh process, and returns the number that it prints.
pub(crate) fn of_child(who: &str, size: usize) -> Option<f64> {
    let this = std::env::current_exe().ok()?;
    let size = size.to_string();
    let output = Command::new(this).args([HOLD, who, &size]).output();
    String::from_utf8(output.ok()?.stdout).ok()?.trim().parse().ok()
}

/// Creates the waits, and prints how many bytes per wait the memory has grown by. If `who` is an owner of tasks, runs the tasks
/// instead, and prints how many bytes the memory has grown by in total.
pub(crate) fn hold(who: &str, size: &str) -> ExitCode {
    let Ok(size) = size.parse() else { return ExitCode::FAILURE };
    if group::owns_tasks(who) {
        let Some(kept) = group::retained(who, size) else { return ExitCode::FAILURE };
        println!("{kept}");
        return ExitCode::SUCCESS;
    }
    let runtime = new_runtime();
    let _entered = runtime.enter();
    let limit = |number| if who.ends_with(SAME) { LIMIT } else { length(number) };
    let (ours, theirs) = (CancellationToken::new(), TokioToken::new());
    let grown = if who.starts_with(OURS) {
        let wait = |number| pending::<()>().cancelable(any_of((timeout(limit(number)), &ours)));
        growth(size, wait)
    } else {
        // If all limits are equal, the compiler can leave the length out of the future.
        if who.ends_with(SAME) {
            growth(size, |_| select(|| LIMIT, &theirs))
        } else {
            growth(size, |number| select(move || length(number), &theirs))
        }
    };
    match grown {
        Some(grown) => println!("{}", grown / size as f64),
        None => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

async fn select(limit: impl Fn() -> Duration, token: &TokioToken) {
    tokio::select! {
        biased;
        () = pending::<()>() => {},
        () = tokio::time::sleep(limit()) => {},
        () = token.cancelled() => {},
    }
}

/// Returns how many bytes the memory grows by while the waits are created and register. One wait registers before the
/// measurement, so that memory for the first wait is not counted.
fn growth<F: Future>(size: usize, wait: impl Fn(usize) -> F) -> Option<f64> {
    let waker = Waker::from(Arc::new(Ignore));
    let mut cx = Context::from_waker(&waker);
    let mut begin = |number| {
        let mut wait = Box::pin(wait(number));
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        wait
    };
    let first = begin(0);
    let mut waits = Vec::with_capacity(size);
    let before = resident()?;
    waits.extend((0..size).map(begin));
    let after = resident()?;
    drop((first, waits));
    // The list of boxes is not part of a wait.
    Some(after - before - (size * size_of::<usize>()) as f64)
}

/// Returns the bytes of memory in use by this process.
pub(crate) fn resident() -> Option<f64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

pub(crate) fn rows(table: &mut Table) {
    let runtime = new_runtime();
    let _entered = runtime.enter();
    let (ours, theirs) = (CancellationToken::new(), TokioToken::new());
    let race = pending::<()>().cancelable(any_of((timeout(LIMIT), &ours)));
    let sizes = (size_of_val(&race), size_of_val(&select(|| LIMIT, &theirs)));
    row(
        table,
        ("bytes of a future that waits under a timeout and a token", None),
        Some((sizes.0 as f64, sizes.1 as f64)),
    );
    let size = table.few(100_000);
    for (lengths, allowed) in [(SAME, Some(0.8)), (MIXED, None)] {
        let name =
            format!("bytes of one of {size} that wait under limits of {lengths} and a token");
        let held = held(OURS, lengths, size).zip(held(THEIRS, lengths, size));
        row(table, (&name, allowed), held);
    }
}

/// Prints a row, or says that the system does not report memory use.
fn row(table: &mut Table, title: Title<'_>, bytes: Option<(f64, f64)>) {
    println!("\n{}", title.0);
    let Some((ours, theirs)) = bytes else { return println!("  not known on this system") };
    println!("  {OURS:<34} {ours:.0}");
    println!("  {THEIRS:<34} {theirs:.0}  share {:.2}", ours / theirs);
    table.judge_size(title, ours / theirs);
}
