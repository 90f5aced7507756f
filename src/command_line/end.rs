//! `End`: how a command-line program ends.

use std::env;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::iter::successors;
use std::path::Path;
use std::process::{ExitCode, Termination};

use crate::error::Cancelled;
use crate::reason::{Reason, exit_like, exit_number};

/// How a command-line program ends: with an exit code, or with an error. Return it from `main`.
///
/// After `main` has returned and its variables have been dropped, an `End` with an error prints the error and its causes on
/// stderr, as `program: error: cause`. Then it ends the process:
///
/// | the error or one of its causes is | end |
/// |---|---|
/// | a [`Cancelled`] by a signal | by the signal, as [`exit_like`] does |
/// | a [`Cancelled`] by time limits | the exit code 124 |
/// | neither | the exit code 1 |
///
/// Convert `()`, an [`ExitCode`], or a `Result` of one of these into an `End`. The error of the `Result` can have any type
/// that converts to `Box<dyn Error>`: an [`io::Error`], a [`Cancelled`], a `String`, a `Box<dyn Error>`, an `anyhow::Error`.
/// A `Box<dyn Error + Send + Sync>` needs `.map_err(|error| error as Box<dyn Error>)` first.
///
/// An `anyhow::Error` without a context hides the type of the error inside it. If that error is a `Cancelled`, the `End`
/// does not find it, and the exit code is 1. To let the `Cancelled` decide how the program ends, add a context to the
/// `anyhow::Error`, or call `reallocate_into_boxed_dyn_error_without_backtrace`. The work of [`run`](super::run) does not
/// need this, because `run` knows why the work was cancelled.
///
/// # Examples
///
/// ```
/// use cancelable::command_line::End;
/// use cancelable::prelude::*;
/// use std::io;
/// use std::time::Duration;
///
/// async fn fetch() -> io::Result<String> {
///     Ok("the page".to_owned())
/// }
///
/// fn main() -> End {
///     let limit = timeout(Duration::from_secs(60));
///     let fetched = smol::block_on(fetch().try_cancelable(limit));
///     let end = End::from(fetched.map(|page| println!("{page}")));
///     assert!(end.error().is_none()); // After the limit: `program: timed out after 60s`, and the exit code 124.
///     end
/// }
/// ```
#[derive(Debug)]
#[must_use = "return it from `main`: it prints the error and sets the exit code"]
pub struct End {
    outcome: Result<ExitCode, Box<dyn Error>>,
    /// The cancellation that decides how the process ends. `None` if there is no error, or if no cancellation led to it.
    cancelled: Option<Cancelled>,
}

impl End {
    /// Returns the error that will be printed, if there is one.
    ///
    /// ```
    /// use cancelable::command_line::End;
    /// let end = End::from(Err::<(), _>("no such file"));
    /// assert_eq!(end.error().unwrap().to_string(), "no such file");
    /// ```
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        self.outcome.as_ref().err().map(|error| &**error)
    }

    /// Returns the cancellation that decides how the process ends. Use it for clean-up after a cancellation.
    ///
    /// If several of the error and its causes are cancellations, returns the first one by a signal or by time limits. If none
    /// of them is by a signal or by time limits, returns the first one.
    ///
    /// ```
    /// use cancelable::command_line::End;
    /// use cancelable::prelude::*;
    /// use std::io;
    ///
    /// let cancelled = Cancelled::new(Reason::signal(Signal::Term));
    /// let end = End::from(Err::<(), _>(io::Error::other(cancelled.clone())));
    /// assert_eq!(end.cancelled(), Some(&cancelled));
    /// ```
    pub fn cancelled(&self) -> Option<&Cancelled> {
        self.cancelled.as_ref()
    }

    /// Sets the reason for which the work was cancelled. The reason decides how the process ends if the work failed, and
    /// neither its error nor a cause of the error is a cancellation by a signal or by time limits.
    pub(super) fn cancelled_for(mut self, reason: Option<Reason>) -> Self {
        if let (Err(_), Some(reason)) = (&self.outcome, reason) {
            self.cancelled =
                self.cancelled.filter(decides).or_else(|| Some(Cancelled::new(reason)));
        }
        self
    }
}

impl Termination for End {
    fn report(self) -> ExitCode {
        let error = match self.outcome {
            Ok(code) => return code,
            Err(error) => error,
        };
        // If stderr cannot be written, there is no other place to report that.
        let _ = writeln!(io::stderr(), "{}{}", program(), WithCauses(&*error));
        match self.cancelled {
            Some(cancelled) => exit_like(cancelled.reason()),
            None => ExitCode::FAILURE,
        }
    }
}

/// Creates an `End` with the exit code 0.
impl From<()> for End {
    fn from((): ()) -> Self {
        End::from(ExitCode::SUCCESS)
    }
}

/// Creates an `End` with this exit code, which prints nothing.
impl From<ExitCode> for End {
    fn from(code: ExitCode) -> Self {
        End { outcome: Ok(code), cancelled: None }
    }
}

/// Converts the value into an `End`, or creates an `End` with the error.
impl<T: Into<End>, E: Into<Box<dyn Error>>> From<Result<T, E>> for End {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => value.into(),
            Err(error) => {
                let error = error.into();
                let cancelled = deciding(&*error).cloned();
                End { outcome: Err(error), cancelled }
            }
        }
    }
}

/// Returns the first cancellation by a signal or by time limits among an error and its causes. If there is none, returns the
/// first cancellation of any kind.
fn deciding<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Cancelled> {
    let among = || causes(error).filter_map(|error| error.downcast_ref());
    among().find(|cancelled| decides(cancelled)).or_else(|| among().next())
}

/// Returns whether a cancellation is by a signal or by time limits. Only then does the program end differently than after
/// any other error.
fn decides(cancelled: &Cancelled) -> bool {
    exit_number(cancelled.reason()) != 1
}

/// Iterates over an error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        // `io::Error::source` skips the error inside the `io::Error`, and returns the source of that error.
        Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// Prints an error and its causes in one line. Leaves out a cause if the line so far ends with the same text.
struct WithCauses<'a>(&'a (dyn Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for cause in causes(self.0).map(|cause| cause.to_string()) {
            if text.is_empty() {
                text = cause;
            } else if !text.ends_with(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        f.write_str(&text)
    }
}

/// Returns the name of the program and a colon, for messages.
fn program() -> String {
    let started_as = env::args_os().next().unwrap_or_default();
    let name = Path::new(&started_as).file_name().unwrap_or_default().to_string_lossy();
    match name.strip_suffix(env::consts::EXE_SUFFIX).unwrap_or(&name) {
        "" => String::new(),
        name => format!("{name}: "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(error: impl Error + 'static) -> String {
        WithCauses(&error).to_string()
    }

    #[derive(Debug)]
    struct Within(&'static str, io::Error);

    impl fmt::Display for Within {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Within {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn causes_are_printed() {
        let full = || io::Error::other("disk full");
        assert_eq!(printed(full()), "disk full");
        assert_eq!(printed(Within("cannot save", full())), "cannot save: disk full");
        assert_eq!(printed(Within("cannot save: disk full", full())), "cannot save: disk full");
        let inner = io::Error::other(Within("cannot save", full()));
        assert_eq!(printed(Within("copy", inner)), "copy: cannot save: disk full");
        let cancelled = Cancelled::new(Reason::error(full()));
        assert_eq!(printed(cancelled), "cancelled by an error: disk full");
    }

    #[test]
    fn program_has_a_name() {
        let name = program();
        assert!(name.starts_with("cancelable-") && name.ends_with(": "), "{name}");
        assert!(!name.contains(['/', '\\']), "{name}");
    }
}
