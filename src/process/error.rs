//! `CommandError`: why a command returned no output. `Stopped`: the output of a command that was cancelled.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitStatus;

use crate::error::Cancelled;

/// The error of a [`Command`](super::Command).
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::process::{Command, CommandError};
///
/// # smol::block_on(async {
/// let error = Command::new("/no/such/program").cancelable(never()).await.unwrap_err();
/// let CommandError::Failed(error) = error else { panic!("{error}") };
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// assert!(error.to_string().starts_with("could not start `program`: "));
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum CommandError {
    /// The child was stopped, or not started at all.
    Cancelled(Stopped),
    /// The program could not be started, or the operating system refused to read its output or to wait for it.
    Failed(io::Error),
}

/// The result of a cancelled command: the reason, how the child ended, and its output so far.
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::process::{Command, CommandError};
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// token.cancel_with("closing");
/// let error = Command::new("make").cancelable(&token).await.unwrap_err();
/// let CommandError::Cancelled(stopped) = error else { panic!("{error}") };
/// assert_eq!(stopped.cancelled.reason(), &Reason::manual("closing"));
/// assert_eq!(stopped.status, None); // The program was not started.
/// # });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stopped {
    /// Why the command was cancelled. [`was_forced`](Cancelled::was_forced) returns whether the child was killed.
    pub cancelled: Cancelled,
    /// How the child ended.
    ///
    /// `None` if the child was not started, if it has not ended within 10 seconds after it was killed, or if
    /// [`strict`](crate::TryCancelable::strict) discarded an output that came after the cancellation.
    pub status: Option<ExitStatus>,
    /// The standard output of the child so far. Empty if it was not collected.
    pub stdout: Vec<u8>,
    /// The standard error of the child so far. Empty if it was not collected.
    pub stderr: Vec<u8>,
}

/// Creates the error of a command that was not started.
impl From<Cancelled> for CommandError {
    fn from(cancelled: Cancelled) -> Self {
        let (stdout, stderr) = Default::default();
        CommandError::Cancelled(Stopped { cancelled, status: None, stdout, stderr })
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Cancelled(stopped) => stopped.fmt(f),
            CommandError::Failed(error) => error.fmt(f),
        }
    }
}

impl Error for CommandError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CommandError::Cancelled(stopped) => stopped.source(),
            CommandError::Failed(error) => error.source(),
        }
    }
}

/// Prints why the command was cancelled, and how the child ended.
impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cancelled.fmt(f)?;
        match self.status {
            Some(status) => write!(f, " ({status})"),
            None => Ok(()),
        }
    }
}

impl Error for Stopped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cancelled.source()
    }
}
