//! Child processes raced against a source.
//!
//! [`Command::cancelable`] runs a child process to its end and returns its output. If the source fires first, the child is
//! asked to end. If it has not ended when the grace period is over, it is killed. The error has the output so far.
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
//! 2. On Unix the child gets SIGTERM, or another [signal](Command::stop_signal). With
//!    [`process_group`](Command::process_group), all processes of its group get it.
//! 3. The [grace period](crate::TryCancelable::grace) starts. It lasts [`GRACE`], unless you set another. The output is
//!    still read. [`force`](crate::Operation::force) ends the grace period.
//! 4. If the child has not ended by then, it is killed together with its group.
//! 5. The child is waited for, so it leaves no zombie. The operation ends, and the error is returned.
//!
//! On Windows a program cannot be asked to end without unsafe code. There, step 2 sends nothing: the child has the grace
//! period to end by itself, for instance because Ctrl-C reaches all programs of a console.
//!
//! It is only safe to send a signal to a process ID while nothing else waits for the children of this program. So
//! `SIGCHLD` must not be ignored, and no other part of the program may call `waitpid(-1)`.
//!
//! All of this counts as clean-up: every race around the command waits for it, as it does for
//! [`finally`](crate::Cancelable::finally). If the future is dropped, the child is killed at once, and a thread of the
//! crate `async-process` waits for it.
//!
//! # Which side wins
//!
//! A child that has ended before it could be asked to end counts as a finished value: its output is returned, even if
//! the source has fired. Once the child has been asked, the outcome is the error, whatever its exit status is.
//! [Semantics](crate::_docs::semantics), number 20, has the whole contract.

mod child;
mod command;
mod error;
mod pipe;
mod run;

use std::time::Duration;

pub use command::Command;
pub use error::{CommandError, Stopped};
pub use run::{CommandRun, StopChild};

/// The grace period of a command that sets no other: 10 seconds.
pub const GRACE: Duration = Duration::from_secs(10);
