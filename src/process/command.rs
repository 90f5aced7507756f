//! `Command`: the program to run as a child process, and how to stop it.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::Stdio;

use super::CommandError;
use super::child::Child;
use super::run::{CommandRun, StopChild};
use super::stop_by::{StopBy, stop_methods};
use crate::future::TryCancelable;
use crate::source::Source;

/// A program to run as a child process, and how to stop it if it is cancelled.
///
/// `Command` has methods for the most common settings. For other settings, such as a user ID, configure a
/// [`std::process::Command`] and convert it.
///
/// By default, standard input is empty, and standard output and standard error are collected.
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::process::Command;
///
/// # #[cfg(unix)]
/// # smol::block_on(async {
/// let output = Command::new("echo").arg("hello").cancelable(never()).await?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok::<(), cancelable::process::CommandError>(()) }).unwrap();
/// ```
#[must_use = "a command does nothing unless `cancelable` runs it"]
pub struct Command {
    inner: std::process::Command,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    input: Vec<u8>,
    stop: StopBy,
}

impl Command {
    /// Creates a command that runs `program`. A name without a path is looked up in `PATH`.
    ///
    /// ```
    /// use cancelable::process::Command;
    /// assert_eq!(format!("{:?}", Command::new("make")), r#"Command("make")"#);
    /// ```
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        std::process::Command::new(program).into()
    }

    /// Adds an argument.
    ///
    /// ```
    /// use cancelable::process::Command;
    /// let command = Command::new("make").arg("all");
    /// assert_eq!(format!("{command:?}"), r#"Command("make" "all")"#);
    /// ```
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.inner.arg(argument);
        self
    }

    /// Adds several arguments.
    ///
    /// ```
    /// use cancelable::process::Command;
    /// let command = Command::new("make").args(["-j", "4"]);
    /// assert_eq!(format!("{command:?}"), r#"Command("make" "-j" "4")"#);
    /// ```
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.inner.args(arguments);
        self
    }

    /// Sets an environment variable of the child. The child inherits all other variables of this program.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::process::Command;
    ///
    /// # #[cfg(unix)]
    /// # smol::block_on(async {
    /// let command = Command::new("sh").args(["-c", "echo $LEVEL"]).env("LEVEL", "3");
    /// assert_eq!(command.cancelable(never()).await?.stdout, b"3\n");
    /// # Ok::<(), cancelable::process::CommandError>(()) }).unwrap();
    /// ```
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(key, value);
        self
    }

    /// Sets the directory in which the child starts.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::process::Command;
    ///
    /// # #[cfg(unix)]
    /// # smol::block_on(async {
    /// let output = Command::new("pwd").current_dir("/").cancelable(never()).await?;
    /// assert_eq!(output.stdout, b"/\n");
    /// # Ok::<(), cancelable::process::CommandError>(()) }).unwrap();
    /// ```
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.inner.current_dir(directory);
        self
    }

    /// Writes `bytes` to the child's standard input, and then closes that input.
    ///
    /// The bytes are written while the output is read, so there may be any number of them. If the child closes its standard
    /// input early, the rest is discarded. That is not an error.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::process::Command;
    ///
    /// # #[cfg(unix)]
    /// # smol::block_on(async {
    /// let sorted = Command::new("sort").input("b\na\n").cancelable(never()).await?;
    /// assert_eq!(sorted.stdout, b"a\nb\n");
    /// # Ok::<(), cancelable::process::CommandError>(()) }).unwrap();
    /// ```
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self.stdin = Stdio::piped();
        self
    }

    /// Sets where standard input comes from, and discards an earlier [`input`](Self::input). The default is [`Stdio::null`].
    ///
    /// ```
    /// use cancelable::process::Command;
    /// use std::process::Stdio;
    /// let editor = Command::new("vi").stdin(Stdio::inherit()).stdout(Stdio::inherit());
    /// assert_eq!(format!("{editor:?}"), r#"Command("vi")"#);
    /// ```
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.input = Vec::new();
        self.stdin = stdin.into();
        self
    }

    /// Sets where standard output goes. The default is [`Stdio::piped`], which collects it.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::process::Command;
    /// use std::process::Stdio;
    ///
    /// # #[cfg(unix)]
    /// # smol::block_on(async {
    /// let output = Command::new("echo").stdout(Stdio::null()).cancelable(never()).await?;
    /// assert!(output.stdout.is_empty());
    /// # Ok::<(), cancelable::process::CommandError>(()) }).unwrap();
    /// ```
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = stdout.into();
        self
    }

    /// Sets where standard error goes. The default is [`Stdio::piped`], which collects it.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::process::Command;
    ///
    /// # #[cfg(unix)]
    /// # smol::block_on(async {
    /// let command = Command::new("sh").args(["-c", "echo oh >&2"]);
    /// assert_eq!(command.cancelable(never()).await?.stderr, b"oh\n");
    /// # Ok::<(), cancelable::process::CommandError>(()) }).unwrap();
    /// ```
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = stderr.into();
        self
    }

    stop_methods! {
        /// ```
        /// use cancelable::prelude::*;
        /// use cancelable::process::{Command, CommandError};
        /// use std::os::unix::process::ExitStatusExt;
        ///
        /// # smol::block_on(async {
        /// let command = Command::new("sleep").arg("60").stop_signal(Signal::Usr1);
        /// let work = command.cancelable(never());
        /// let operation = work.operation();
        /// let (outcome, _) = futures::join!(work, async { operation.cancel() });
        /// let Err(CommandError::Cancelled(stopped)) = outcome else { panic!("it was cancelled") };
        /// assert_eq!(stopped.status.unwrap().signal(), Some(Signal::Usr1.number()));
        /// # });
        /// ```
        stop_signal,

        /// Makes the child the leader of a new process group, and sends signals to the whole group.
        ///
        /// Use this for a child that starts processes itself, such as a shell or `make`, because such a child does not always
        /// pass a signal on to them. The whole group gets the signal, and the processes that are left after the grace period
        /// are killed. If an output is collected, they may be killed earlier: once the child has ended and every process has
        /// closed that output.
        ///
        /// * A child in a process group of its own does not receive a Ctrl-C from the terminal. To stop the group at a
        ///   Ctrl-C, use [`ctrl_c`](crate::ctrl_c) as the source. If a second Ctrl-C ends this program, the group keeps
        ///   running.
        /// * The child cannot read from the terminal: the system suspends a child that tries.
        /// * If the child ends by itself, the other processes of its group keep running.
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use cancelable::process::Command;
        ///
        /// # smol::block_on(async {
        /// let command = Command::new("sh").args(["-c", "sleep 60 & wait"]).process_group();
        /// let work = command.cancelable(never());
        /// let operation = work.operation();
        /// let (outcome, _) = futures::join!(work, async { operation.cancel() });
        /// assert!(outcome.is_err()); // The process `sleep` has ended, too.
        /// # });
        /// ```
        process_group,
    }

    /// Runs the command until the child ends, unless `source` fires first. Returns the output of the child, whatever its
    /// exit status is.
    ///
    /// [How a child is stopped](super#how-a-child-is-stopped) describes what a cancellation does. The returned future is an
    /// operation named after the program, and has all the methods of [`TryCancelable`]. For instance, `grace` sets how much
    /// time the child has to end after it was asked to.
    ///
    /// The child is started at the first poll. If the source has fired by then, nothing is started.
    ///
    /// The child may have started a process that still holds the output open after the child has ended. In that case the
    /// output is read for at most one more second.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the child, and its process group if it has one.
    ///
    /// # Errors
    ///
    /// [`CommandError::Cancelled`] if the child was stopped, or not started because the source had fired.
    /// [`CommandError::Failed`] if the program cannot be started, its output cannot be read, or waiting for it fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::process::Command;
    /// use std::time::Duration;
    ///
    /// # #[cfg(unix)]
    /// # smol::block_on(async {
    /// let tests = Command::new("sh")
    ///     .args(["-c", "echo all passed"])
    ///     .cancelable(timeout(Duration::from_secs(60)))
    ///     .named("tests")
    ///     .grace(Duration::from_secs(2));
    /// assert_eq!(tests.await?.stdout, b"all passed\n");
    /// # Ok::<(), cancelable::process::CommandError>(()) }).unwrap();
    /// ```
    pub fn cancelable<S: Source>(
        self,
        source: S,
    ) -> TryCancelable<CommandRun, S::Future, StopChild> {
        CommandRun::of_command(self, source)
    }

    /// Returns the name of the program, without its path.
    pub(super) fn program(&self) -> String {
        let program = Path::new(self.inner.get_program());
        program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
    }

    /// Starts the child.
    pub(super) fn spawn(self) -> Result<Child, CommandError> {
        let program = self.program();
        #[cfg_attr(not(unix), expect(unused_mut, reason = "there are no process groups"))]
        let mut command = self.inner;
        #[cfg(unix)]
        if self.stop.is_group {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        let mut command = async_process::Command::from(command);
        command.stdin(self.stdin).stdout(self.stdout).stderr(self.stderr).kill_on_drop(true);
        match command.spawn() {
            Ok(child) => Ok(Child::new(child, self.input, self.stop)),
            Err(error) => {
                let text = format!("could not start `{program}`: {error}");
                Err(CommandError::Failed(io::Error::new(error.kind(), text)))
            }
        }
    }
}

/// Keeps all settings except those of the three standard streams, which get the defaults of [`Command`].
impl From<std::process::Command> for Command {
    fn from(inner: std::process::Command) -> Self {
        Command {
            inner,
            stdin: Stdio::null(),
            stdout: Stdio::piped(),
            stderr: Stdio::piped(),
            input: Vec::new(),
            stop: StopBy::default(),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.inner).finish()
    }
}
