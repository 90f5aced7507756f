//! `Child`: a child process that has started.
//!
//! 1. The process ID belongs to the child until the child has been waited for. After that, it may belong to an unrelated
//!    process. So no signal is sent once `status` is known. The child is waited for only in a poll of `waits`, and after
//!    `process` and `waits` have both been dropped.
//! 2. The group ID belongs to the group as long as the group has a process. A process that has ended but has not been waited
//!    for still counts. So if an output is collected, the leader is waited for last: once the end of the output shows that
//!    the other processes have ended, or once they have been killed. If no output is collected, the leader may be waited for
//!    first. The rest of the group then `lingers`: it is checked at short intervals, and gets no signal once it is gone.
//! 3. If a `Child` is dropped before the process has ended, the process and its group are killed, and the thread of
//!    `async-process` waits for the process.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll};
use std::time::Duration;

use async_process::{ChildStderr, ChildStdout};

use super::error::{CommandError, Stopped};
use super::pipe::{Collected, Input};
use super::stop_by::StopBy;
use crate::error::Cancelled;
use crate::timer::Countdown;

/// How long the output is read after the child has ended, if another process holds it open.
const READ_ON: Duration = Duration::from_secs(1);

/// How often a group is checked after its leader has ended. The system sends no notification when the last process of a
/// group ends.
const LOOK: Duration = Duration::from_millis(20);

/// How long to wait for a child after it was killed. The child may be stuck in a system call that nothing can interrupt.
const KILLED: Duration = Duration::from_secs(10);

/// A child process, with its pipes.
pub(super) struct Child {
    process: async_process::Child,
    /// Waits for the end of the process.
    waits: Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send + Sync>>,
    input: Input,
    stdout: Collected<ChildStdout>,
    stderr: Collected<ChildStderr>,
    /// Whether an output is collected. If so, the end of that output shows that the last process of a group has ended.
    collects: bool,
    /// How the process ended, once it has been waited for.
    status: Option<ExitStatus>,
    stop: StopBy,
    /// Why the child was asked to end, if it was.
    asked: Option<Cancelled>,
    was_killed: bool,
    /// Whether the leader has been waited for, but other processes of the group may still be in their grace period.
    lingers: bool,
    /// Whether waiting for the child failed, so that its process ID may belong to another process.
    is_lost: bool,
    look: Option<Countdown>,
    /// Limits how long to wait for the rest of the output after the child has ended, or for the child to end after it was
    /// killed.
    rest: Option<Countdown>,
}

impl Child {
    pub(super) fn new(mut process: async_process::Child, input: Vec<u8>, stop: StopBy) -> Self {
        let input = Input::new(process.stdin.take(), input);
        let collects = process.stdout.is_some() || process.stderr.is_some();
        let stdout = Collected::new(process.stdout.take());
        let stderr = Collected::new(process.stderr.take());
        Child {
            waits: Box::pin(process.status()),
            process,
            input,
            stdout,
            stderr,
            collects,
            status: None,
            stop,
            asked: None,
            was_killed: false,
            lingers: false,
            is_lost: false,
            look: None,
            rest: None,
        }
    }

    /// Takes over a child that other code has started.
    pub(super) fn running(mut process: async_process::Child, mut stop: StopBy) -> Self {
        // If the child has been waited for, its group may be gone, too.
        stop.is_group = stop.is_group && matches!(process.try_status(), Ok(None));
        let mut child = Child::new(process, Vec::new(), stop);
        child.stop.is_group = child.stop.is_group && child.leads_group();
        child
    }

    /// Writes the input, reads the output, and waits for the child. Ready once the child has ended and its output is closed,
    /// or when the time limit in `rest` has passed.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.poll(cx);
        let mut closed = self.poll_output(cx)?;
        if self.status.is_none() {
            if let Poll::Ready(status) = self.poll_status(closed, cx) {
                self.is_lost = status.is_err();
                self.status = Some(status?);
                self.lingers = self.stop.is_group && self.asked.is_some() && !self.was_killed;
                self.rest = Some(Countdown::lasting(READ_ON));
                // The child has ended, so everything that it wrote is in the pipes by now.
                closed = self.poll_output(cx)?;
            }
        }
        if self.lingers {
            if self.poll_group(closed, cx).is_pending() {
                return Poll::Pending;
            }
            self.lingers = false;
            self.rest = Some(Countdown::lasting(READ_ON));
        }
        let is_over = self.status.is_some() && closed
            || self.rest.as_mut().is_some_and(|rest| rest.poll("Command", cx).is_ready());
        if is_over { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Returns whether both outputs are closed.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let stdout = self.stdout.poll(cx);
        let stderr = self.stderr.poll(cx);
        for polled in [stdout, stderr] {
            match polled {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(false),
            }
        }
        Ok(true)
    }

    fn poll_status(
        &mut self,
        output_is_closed: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<ExitStatus>> {
        let stops_group = self.stop.is_group && self.asked.is_some() && !self.was_killed;
        if stops_group && self.collects && self.has_ended() {
            if !output_is_closed {
                // Other processes of the group are still ending. The task is woken when they have ended, or when the
                // grace period is over.
                return Poll::Pending;
            }
            self.kill();
        }
        self.waits.as_mut().poll(cx)
    }

    /// Waits for the end of a group whose leader has been waited for.
    fn poll_group(&mut self, output_is_closed: bool, cx: &mut Context<'_>) -> Poll<()> {
        while self.group_exists() {
            if self.collects && output_is_closed {
                self.kill_group();
                break;
            }
            let look = self.look.get_or_insert_with(|| Countdown::lasting(LOOK));
            if look.poll("Command", cx).is_pending() {
                return Poll::Pending;
            }
            self.look = None;
        }
        Poll::Ready(())
    }

    /// Returns whether the child had ended by itself when it was last polled.
    pub(super) fn has_ended_unasked(&self) -> bool {
        self.status.is_some() && self.asked.is_none()
    }

    /// Asks the child to end, unless it has been asked before or has ended.
    pub(super) fn ask(&mut self, cancelled: impl FnOnce() -> Cancelled) {
        if self.asked.is_none() && self.status.is_none() {
            self.asked = Some(cancelled());
            self.send_stop_signal();
        }
    }

    /// Kills the child and its group, because the grace period is over. Does nothing if they have ended by now.
    pub(super) fn force(&mut self, cancelled: &Cancelled) {
        if self.lingers {
            self.asked = Some(cancelled.clone());
            self.lingers = false;
            self.rest = Some(Countdown::lasting(READ_ON));
            self.kill_group();
        } else if self.status.is_none() && !self.was_killed {
            self.asked = Some(cancelled.clone());
            self.kill();
        }
    }

    /// Kills the child and its group. Call this only before the child has been waited for (1).
    fn kill(&mut self) {
        self.was_killed = true;
        self.rest = Some(Countdown::lasting(KILLED));
        self.kill_group();
        // This fails if the process is gone, which does no harm.
        let _ = self.process.kill();
    }

    /// Returns the outcome. Call this once the child has ended or was killed.
    pub(super) fn into_outcome(mut self) -> Result<Output, CommandError> {
        let stdout = std::mem::take(&mut self.stdout.bytes);
        let stderr = std::mem::take(&mut self.stderr.bytes);
        match (self.asked.take(), self.status) {
            (None, Some(status)) => Ok(Output { status, stdout, stderr }),
            (Some(cancelled), status) => {
                Err(CommandError::Cancelled(Stopped { cancelled, status, stdout, stderr }))
            }
            (None, None) => unreachable!("it has ended, or was killed"),
        }
    }
}

#[cfg(unix)]
mod signals {
    use rustix::io::Errno;
    use rustix::process::{
        Pid, Signal, getpgid, kill_process, kill_process_group, test_kill_process_group,
    };

    use super::Child;

    impl Child {
        fn pid(&self) -> Option<Pid> {
            Pid::from_raw(i32::try_from(self.process.id()).ok()?)
        }

        /// Returns whether the child has ended. The call does not wait for the child, so the process ID and the group ID
        /// still belong to the child and its group (1, 2).
        #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "cygwin")))]
        pub(super) fn has_ended(&self) -> bool {
            use rustix::process::{WaitId, WaitIdOptions, waitid};

            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
            self.pid().is_some_and(|pid| matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))))
        }

        /// Returns false, because this system cannot tell without waiting for the child.
        #[cfg(any(target_os = "openbsd", target_os = "redox", target_os = "cygwin"))]
        pub(super) fn has_ended(&self) -> bool {
            false
        }

        /// Returns whether the child leads a process group.
        pub(super) fn leads_group(&self) -> bool {
            self.pid().is_some_and(|pid| getpgid(Some(pid)) == Ok(pid))
        }

        pub(super) fn send_stop_signal(&self) {
            if let Some(signal) = Signal::from_named_raw(self.stop.signal.number()) {
                self.send(signal);
                // A suspended process does not handle the stop signal until it continues. The child may have been suspended
                // because it read from the terminal.
                self.send(Signal::CONT);
            }
        }

        /// Returns whether the group has a process, even one that has ended but has not been waited for.
        pub(super) fn group_exists(&self) -> bool {
            self.pid().is_some_and(|pid| test_kill_process_group(pid) != Err(Errno::SRCH))
        }

        pub(super) fn kill_group(&self) {
            if self.stop.is_group {
                self.send(Signal::KILL);
            }
        }

        /// Sends a signal to the child or to its group. Errors are ignored: the processes may be gone, or may run as another
        /// user.
        fn send(&self, signal: Signal) {
            let Some(pid) = self.pid() else { return };
            let send = if self.stop.is_group { kill_process_group } else { kill_process };
            let _ = send(pid, signal);
        }
    }
}

#[cfg(not(unix))]
impl Child {
    fn leads_group(&self) -> bool {
        false
    }

    fn has_ended(&self) -> bool {
        false
    }

    /// Does nothing: there is no way to ask a process to end.
    fn send_stop_signal(&self) {}

    /// Does nothing: there are no groups.
    fn kill_group(&self) {}

    fn group_exists(&self) -> bool {
        false
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.lingers || self.status.is_none() && !self.is_lost {
            self.kill_group();
        }
        if self.status.is_none() && !self.is_lost {
            // Other code that has started the child may not have set `kill_on_drop`. This fails if the child is gone.
            let _ = self.process.kill();
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("process", &self.process)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
