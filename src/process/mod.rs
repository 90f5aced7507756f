//! Child processes raced against a source.
//!
//! [`Command::cancelable`] runs a child process until the child ends, and returns its output. If the source fires first, the
//! child is asked to end. If the child has not ended when the grace period is over, it is killed. The error contains the
//! output so far.
//!
//! ```
//! use cancelable::prelude::*;
//! use cancelable::process::{Command, CommandError};
//! use std::time::Duration;
//!
//! # #[cfg(unix)]
//! # smol::block_on(async {
//! let build = Command::new("sh").arg("-c").arg("echo compiling; exec sleep 60");
//! let error = build.cancelable(timeout(Duration::from_secs(1))).await.unwrap_err();
//!
//! let CommandError::Cancelled(stopped) = error else { panic!("{error}") };
//! assert!(stopped.cancelled.is_timeout());
//! assert_eq!(stopped.stdout, b"compiling\n");
//! assert_eq!(stopped.status.unwrap().to_string(), "signal: 15 (SIGTERM)");
//! # });
//! ```
//!
//! # How a child is stopped
//!
//! 1. The operation is cancelled: by its source, a handle, its parent, or a race around it.
//! 2. On Unix the child gets SIGTERM, or the [signal](Command::stop_signal) that you have set. With
//!    [`process_group`](Command::process_group), all processes in the group of the child get the signal.
//! 3. The [grace period](crate::TryCancelable::grace) starts. It lasts [`GRACE`] unless you set another duration. The output
//!    is still read during that time. [`force`](crate::Operation::force) ends the grace period.
//! 4. If the child has not ended when the grace period is over, it is killed together with its group.
//! 5. The child is waited for (as by `waitpid`), so it leaves no zombie. Then the operation ends, and the error is returned.
//!
//! [`RunningChild`] does the same for a child that other code has started.
//!
//! On Windows step 2 sends nothing, because asking a program to end would take unsafe code. The child may still end by
//! itself during the grace period, for instance because Ctrl-C reaches all programs of a console.
//!
//! Nothing else in your program may wait for the child. Otherwise its process ID might soon belong to an unrelated process,
//! and that process would get the signal. So do not ignore `SIGCHLD`, and do not call `waitpid(-1)` in any other part of the
//! program.
//!
//! Stopping a child counts as clean-up: every race around the command waits until step 5 is done, just as it waits for
//! [`finally`](crate::Cancelable::finally). If the future is dropped, the child is killed at once, and a thread of the crate
//! `async-process` waits for the child.
//!
//! # Which side wins
//!
//! If the child has ended before it could be asked to end, its output is returned like any finished value, even if the
//! source has fired. Once the child has been asked to end, the outcome is an error, whatever the exit status is.
//! [Semantics](crate::_docs::semantics), number 20, has the whole contract.

mod child;
mod command;
mod error;
mod pipe;
mod run;
mod running;
mod stop_by;

use std::time::Duration;

pub use command::Command;
pub use error::{CommandError, Stopped};
pub use run::{CommandRun, StopChild};
pub use running::RunningChild;

/// The default grace period of a command: 10 seconds.
pub const GRACE: Duration = Duration::from_secs(10);
