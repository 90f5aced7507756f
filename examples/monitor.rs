//! Shows the operations of a simulated backup in a terminal, as a table that is redrawn a few times a second. If stdout is
//! not a terminal, the table is printed after each change.
//!
//! `monitor [MILLISECONDS]` sets how long each step of the backup takes. The default is 60. The program ends with the backup.
//! Ctrl-C and `SIGTERM` end it earlier, and then it writes a report to stderr. A second signal ends it at once. The last
//! table, if stdout is a file:
//!
//! ```text
//!    id  operation           status      progress
//!     1  backup              completed   ##########  3 of 3
//!     2    scan              completed   ##########  8 of 8
//!     3    copy photos       completed   ##########  24 of 24
//!     4    copy music        completed   ##########  16 of 16
//!     5    copy mail         cancelled   ##          3 of 12, timed out after 600ms
//!     6    write index       completed   ##########  6 of 6
//! ```

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::future::pending;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cancelable::operation::{OperationId, Snapshot};
use cancelable::prelude::*;
use cancelable::registry::{Event, Events, Filter, ShutdownPlan};
use futures::StreamExt;
use futures::future::join3;
use smol::Timer;

/// How often the table is redrawn on a terminal.
const REDRAW: Duration = Duration::from_millis(200);

/// The longest line shown on a terminal.
const TERMINAL_WIDTH: usize = 80;

/// The width of a progress bar.
const BAR: usize = 10;

/// Reports progress on the current operation.
fn tell(done: u64, total: u64) {
    if let Some(operation) = Operation::current() {
        operation.report_progress(Progress::steps(done, total));
    }
}

/// Does the first `done` of `total` steps, and reports progress after each.
async fn steps(total: u64, done: u64, each: Duration) {
    for done in 1..=done {
        Timer::after(each).await;
        tell(done, total);
    }
}

/// The simulated backup: one operation with several child operations.
async fn backup(each: Duration) {
    let _ = steps(8, 8, each).cancelable(never()).named("scan").registered().await;
    tell(1, 3);
    // The copy of the mail stalls, as if its server had stopped answering.
    let mail = async {
        steps(12, 3, each).await;
        pending::<()>().await;
    };
    let _ = join3(
        steps(24, 24, each).cancelable(never()).named("copy photos").registered(),
        steps(16, 16, each).cancelable(never()).named("copy music").registered(),
        mail.cancelable(timeout(each * 10)).named("copy mail").registered(),
    )
    .await;
    tell(2, 3);
    // Because of the shield, the index is never left half-written: Ctrl-C waits for the shield.
    let index = shield(steps(6, 6, each)).named("write index");
    let _ = index.cancelable(never()).named("write index").registered().await;
    tell(3, 3);
}

/// Returns a snapshot of every operation that is or was in the registry, by id.
fn everyone() -> BTreeMap<OperationId, Snapshot> {
    let registry = Registry::global();
    // An operation that ends between the two calls is in both lists. Its entry in the history comes later, so that one is kept.
    let running = registry.list();
    let ended = registry.history(Filter::all()).into_iter().map(|record| record.snapshot);
    running.into_iter().chain(ended).map(|snapshot| (snapshot.id, snapshot)).collect()
}

/// Writes one line of the table.
fn write_row(table: &mut String, snapshot: &Snapshot, depth: usize, on_terminal: bool) {
    let name = snapshot.name.as_deref().unwrap_or("unnamed");
    let name = format!("{:indent$}{name}", "", indent = 2 * depth);
    let (bar, amount) = match snapshot.progress.as_ref() {
        None => (0, String::new()),
        Some(progress) => {
            let filled = progress.fraction().unwrap_or_default() * BAR as f64;
            (filled as usize, progress.to_string())
        }
    };
    let bar = "#".repeat(bar.min(BAR));
    let why = snapshot.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let time = match on_terminal {
        true => format!("{:>5.1} s  ", snapshot.elapsed.as_secs_f64()),
        false => String::new(),
    };
    let (id, status) = (snapshot.id, snapshot.status.as_str());
    let line = format!("{id:>5}  {name:<18}  {status:<10}  {time}{bar:<BAR$}  {amount}{why}");
    let mut line = line.trim_end().to_owned();
    // A wrapped line would break the redraw.
    if on_terminal && line.chars().count() > TERMINAL_WIDTH {
        line = line.chars().take(TERMINAL_WIDTH - 1).chain(['…']).collect();
    }
    let _ = writeln!(table, "{line}");
}

/// Writes the descendants of an operation.
fn write_below(
    table: &mut String,
    parent: Option<OperationId>,
    all: &BTreeMap<OperationId, Snapshot>,
    depth: usize,
    on_terminal: bool,
) {
    for snapshot in all.values().filter(|snapshot| snapshot.parent_id == parent) {
        write_row(table, snapshot, depth, on_terminal);
        write_below(table, Some(snapshot.id), all, depth + 1, on_terminal);
    }
}

fn table(on_terminal: bool) -> String {
    let time = if on_terminal { "   time  " } else { "" };
    let mut table = format!("{:>5}  {:<18}  {:<10}  {time}progress\n", "id", "operation", "status");
    write_below(&mut table, None, &everyone(), 0, on_terminal);
    table
}

/// The screen that the table is drawn on.
struct Screen {
    is_terminal: bool,
    /// The text that is on the screen.
    drawn: String,
    drawn_at: Option<Instant>,
}

impl Screen {
    fn new() -> Self {
        Screen { is_terminal: io::stdout().is_terminal(), drawn: String::new(), drawn_at: None }
    }

    /// Returns whether it is time to redraw. If stdout is not a terminal, it always is.
    fn is_due(&self) -> bool {
        !self.is_terminal || self.drawn_at.is_none_or(|at| at.elapsed() >= REDRAW)
    }

    fn draw(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        let table = table(self.is_terminal);
        if !self.is_terminal {
            if table != self.drawn {
                writeln!(stdout, "{table}")?;
            }
        } else {
            // Move up to the first line of the table and clear everything below.
            match self.drawn.lines().count() {
                0 => write!(stdout, "{table}")?,
                lines => write!(stdout, "\x1b[{lines}A\x1b[J{table}")?,
            }
        }
        self.drawn = table;
        self.drawn_at = Some(Instant::now());
        stdout.flush()
    }
}

/// Draws until the operation has left the registry.
async fn watch(last: OperationId, mut events: Events, screen: &mut Screen) -> io::Result<()> {
    loop {
        // Wait for the next event, but no longer than until the next redraw.
        match events.next().cancelable(timeout(REDRAW)).await {
            Ok(Some(Event::Ended(record))) if record.snapshot.id == last => return Ok(()),
            _ if screen.is_due() => screen.draw()?,
            _ => {}
        }
    }
}

fn main() -> io::Result<ExitCode> {
    let each = env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(60);

    // At shutdown, do not wait for the backup to finish, because it may take long. Cancel it at once.
    let plan = ShutdownPlan::new().finish(Duration::ZERO).grace(Duration::from_secs(10));
    let stop = Registry::global().shutdown_on_termination(plan)?;
    // Subscribe before the backup starts, so that no event is missed.
    let events = Registry::global().events(256);
    let future =
        backup(Duration::from_millis(each)).cancelable(never()).named("backup").registered();
    let root = future.operation().id();
    let work = smol::spawn(future);

    let mut screen = Screen::new();
    let (watched, end) = smol::block_on(stop.serve(watch(root, events, &mut screen)));
    watched.unwrap_or(Ok(()))?;
    // Draw the final state. After a signal, `watch` may have been dropped before it could do that.
    screen.draw()?;
    if matches!(end.reason.root(), Reason::Signal { .. }) {
        eprintln!("{end}");
        return Ok(end.exit_code());
    }
    // The operation has ended, and the table shows how. The result adds nothing.
    let _ = smol::block_on(work);
    Ok(ExitCode::SUCCESS)
}
