//! `RunningChild`: a child process that is already running.

use super::child::Child;
use super::run::{CommandRun, StopChild};
use super::stop_by::{StopBy, stop_methods};
use crate::future::TryCancelable;
use crate::source::Source;

/// A child process that other code has started, to be stopped if it is cancelled.
///
/// If you can, use [`Command`](super::Command), which starts the child itself. Convert an [`async_process::Child`] if
/// another crate has started the child, or if you talk to the child through its pipes while it runs.
/// `smol::process::Child` is the same type.
///
/// A pipe that you take out of the child is yours. Otherwise, standard input is closed at the first poll, and both
/// outputs are collected.
///
/// * Drop each future of [`async_process::Child::status`] first. Such a future may wait for the child. The process ID
///   of the child may then belong to an unrelated process, which would get the signal.
/// * If the child was started with `reap_on_drop(false)`, it becomes a zombie when the future is dropped.
/// * An [`std::process::Child`] cannot be converted, because its end cannot be awaited.
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::process::RunningChild;
/// use futures::{AsyncBufReadExt, AsyncWriteExt, io::BufReader};
/// use smol::process::{Command, Stdio};
///
/// # #[cfg(unix)]
/// # smol::block_on(async {
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let mut stdin = child.stdin.take().unwrap();
/// let mut stdout = BufReader::new(child.stdout.take().unwrap());
/// let talk = async move {
///     let mut answer = String::new();
///     stdin.write_all(b"hello\n").await?;
///     stdout.read_line(&mut answer).await?;
///     std::io::Result::Ok(answer)
/// };
///
/// let run = RunningChild::from(child).cancelable(never()).named("cat");
/// let (ended, answer) = futures::join!(run, talk);
/// assert!(ended.unwrap().status.success());
/// assert_eq!(answer?, "hello\n");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "the child is not stopped unless `cancelable` watches it"]
pub struct RunningChild {
    process: async_process::Child,
    stop: StopBy,
}

impl From<async_process::Child> for RunningChild {
    fn from(process: async_process::Child) -> Self {
        RunningChild { process, stop: StopBy::default() }
    }
}

impl RunningChild {
    stop_methods! {
        /// ```
        /// use cancelable::prelude::*;
        /// use cancelable::process::{CommandError, RunningChild};
        /// use std::os::unix::process::ExitStatusExt;
        /// use std::time::Duration;
        ///
        /// # smol::block_on(async {
        /// let child = smol::process::Command::new("sleep").arg("60").spawn()?;
        /// let run = RunningChild::from(child).stop_signal(Signal::Usr1);
        /// let outcome = run.cancelable(timeout(Duration::from_millis(10))).await;
        /// let Err(CommandError::Cancelled(stopped)) = outcome else { panic!("it was cancelled") };
        /// assert_eq!(stopped.status.unwrap().signal(), Some(Signal::Usr1.number()));
        /// # std::io::Result::Ok(()) }).unwrap();
        /// ```
        stop_signal,

        /// Sends signals to the whole process group of the child, if the child leads one.
        ///
        /// The child leads a group if it was started with
        /// [`process_group(0)`](std::os::unix::process::CommandExt::process_group). Otherwise only the child gets the
        /// signals. See [`Command::process_group`](super::Command::process_group).
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use cancelable::process::RunningChild;
        /// use std::os::unix::process::CommandExt;
        /// use std::time::Duration;
        ///
        /// # smol::block_on(async {
        /// let mut command = std::process::Command::new("sh");
        /// command.args(["-c", "sleep 60 & wait"]).process_group(0);
        /// let child = smol::process::Command::from(command).spawn()?;
        /// let run = RunningChild::from(child).process_group();
        /// let outcome = run.cancelable(timeout(Duration::from_millis(10))).await;
        /// assert!(outcome.is_err()); // The process `sleep` has ended, too.
        /// # std::io::Result::Ok(()) }).unwrap();
        /// ```
        process_group,
    }

    /// Waits for the end of the child, unless `source` fires first. Returns what has been collected of the output,
    /// whatever the exit status is.
    ///
    /// [How a child is stopped](super#how-a-child-is-stopped) describes what a cancellation does. The future is an
    /// operation without a name: give it one with `named`. It has all the methods of [`TryCancelable`].
    ///
    /// If the source has fired before the first poll, the child gets the signal and has its grace period, too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the child, even before the first poll and without `kill_on_drop`. So does a race around the
    /// future, if its source fires before the first poll of the future or in that poll.
    ///
    /// # Errors
    ///
    /// [`CommandError::Cancelled`](super::CommandError::Cancelled) if the child was stopped.
    /// [`CommandError::Failed`](super::CommandError::Failed) if the operating system refuses to read the output or to
    /// wait for the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::process::RunningChild;
    /// use std::time::Duration;
    ///
    /// # #[cfg(unix)]
    /// # smol::block_on(async {
    /// let child = smol::process::Command::new("sleep").arg("60").spawn()?;
    /// let sleep = RunningChild::from(child).cancelable(timeout(Duration::from_millis(10)));
    /// let error = sleep.named("nap").await.unwrap_err();
    /// assert_eq!(error.to_string(), "`nap` cancelled: timed out after 10ms (signal: 15 (SIGTERM))");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn cancelable<S: Source>(
        self,
        source: S,
    ) -> TryCancelable<CommandRun, S::Future, StopChild> {
        CommandRun::of_child(Child::running(self.process, self.stop), source)
    }
}
