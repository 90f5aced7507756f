//! The exit code for a reason, and `exit_like`, which ends the process in the way that fits a reason.

#[cfg(feature = "signal")]
use std::io::{self, Write};
#[cfg(feature = "signal")]
use std::process;
#[cfg(feature = "signal")]
use std::thread;
#[cfg(feature = "signal")]
use std::time::Duration;

use super::{Reason, ReasonKind};
use crate::signal_kind::Signal;

/// Ends the process in the way that fits the reason. If the reason is a signal, the process dies of that signal, so
/// that a shell sees it. Otherwise the process exits with a code.
///
/// Use it at the end of a command-line tool that has cleaned up after Ctrl-C. A shell that runs a script stops the script if
/// a command has died of SIGINT, but continues if the command has exited with the code 130.
///
/// | reason | end |
/// |---|---|
/// | [`Reason::Signal`], on Unix | the default action of the signal; the code 128 + n if that does not end the process |
/// | [`Reason::Signal`], elsewhere | the code 128 + n |
/// | [`Reason::Timeout`] | the code 124, like GNU `timeout` |
/// | any other | the code 1 |
///
/// The function looks at the [root](Reason::root) of the reason. For a [`Reason::All`], the first signal in the list is
/// used. If the list has no signal, the code is 124 if all its reasons are time limits, and 1 otherwise. Like
/// [`std::process::exit`], this function runs no destructors.
///
/// The function flushes the standard output first, but gives up after 100 ms. For the first process of a container (process
/// number 1), signals have no default actions, so that process exits with a code.
///
/// # Examples
///
/// ```no_run
/// use cancelable::prelude::*;
/// use cancelable::reason::exit_like;
///
/// # async fn copy() {}
/// # async fn remove_partial_file() {}
/// # fn main() -> std::io::Result<()> {
/// let stop = termination()?.second_signal_exits();
/// if let Err(cancelled) = smol::block_on(copy().cancelable(stop)) {
///     smol::block_on(remove_partial_file());
///     eprintln!("{cancelled}");
///     exit_like(cancelled.reason());
/// }
/// # Ok(()) }
/// ```
#[cfg(feature = "signal")]
pub fn exit_like(reason: &Reason) -> ! {
    match signal_in(reason) {
        Some(signal) => end_by(signal),
        None => process::exit(exit_number(reason)),
    }
}

/// How long flushing the standard output may take. The reader of the output may have stopped reading, or another thread may
/// hold the lock of the standard output.
#[cfg(feature = "signal")]
const FLUSH_LIMIT: Duration = Duration::from_millis(100);

/// Ends the process by a signal, or with the code 128 + n if the signal does not end it.
#[cfg(feature = "signal")]
pub(crate) fn end_by(signal: Signal) -> ! {
    let end = move || -> ! {
        die_of(signal);
        process::exit(128 + signal.number())
    };
    // A process that dies of a signal does not flush its output, so flush it here. This thread may own the lock of the
    // standard output, and another thread would then wait for the lock. So this thread does the flush, and another one
    // watches the time.
    let late = move || {
        thread::sleep(FLUSH_LIMIT);
        end()
    };
    if thread::Builder::new().spawn(late).is_ok() {
        let _ = io::stdout().flush();
    }
    end()
}

/// Returns the exit code that stands for a reason: 128 + n for signal n, 124 for time limits, 1 otherwise.
pub(crate) fn exit_number(reason: &Reason) -> i32 {
    if let Some(signal) = signal_in(reason) {
        return 128 + signal.number();
    }
    let mut leaves = leaves(reason);
    let timed_out = leaves.len() > 0 && leaves.all(|leaf| leaf.kind() == ReasonKind::Timeout);
    if timed_out { 124 } else { 1 }
}

fn leaves(reason: &Reason) -> impl ExactSizeIterator<Item = &Reason> {
    reason.root().leaves().iter().map(Reason::root)
}

/// Returns the first signal in a reason.
fn signal_in(reason: &Reason) -> Option<Signal> {
    leaves(reason).find_map(|leaf| match leaf {
        Reason::Signal { signal } => Some(*signal),
        _ => None,
    })
}

/// Takes the default action of the signal. Returns only if that action does not end the process.
#[cfg(all(unix, feature = "signal"))]
fn die_of(signal: Signal) {
    // The kernel ignores the default actions of process 1, and `signal-hook` would then abort the process.
    if process::id() != 1 {
        // This fails if the signal does not exist. Then the caller exits with a code.
        let _ = signal_hook::low_level::emulate_default_handler(signal.number());
    }
}

#[cfg(all(not(unix), feature = "signal"))]
fn die_of(_signal: Signal) {}
