//! `signal`: a source that fires when the process receives a signal.

mod hub;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use crate::reason::Reason;
use crate::signal_kind::Signal;
use crate::wait::{Latch, Waiter};
use hub::SignalSet;

/// Creates a source that fires when the process receives `signal`, with the reason
/// [`Reason::Signal`].
///
/// The signal is registered in this call, not at the first poll, so no signal is lost after the call has returned. A signal
/// that arrives during the very first call for its kind may be lost, so create the source early.
///
/// Registering removes the default action of the signal for the rest of the process's life. For example, a
/// process that has registered `SIGTERM` once does not end when it receives `SIGTERM`. Command-line tools
/// usually want [`second_signal_exits`](SignalSource::second_signal_exits).
///
/// A delivered signal reaches every source that is alive at that moment, on any runtime and thread.
/// However many sources there are, they use three file descriptors for each kind of signal, and no
/// thread other than the reactor's.
///
/// # Cancel safety
///
/// A signal that arrives after one source is dropped and before the next is created reaches neither of them. So create the
/// new source before you drop the old one.
///
/// # Errors
///
/// * [`InvalidInput`](io::ErrorKind::InvalidInput) for signals that no program can or should catch:
///   `SIGKILL`, `SIGSTOP`, `SIGILL`, `SIGFPE`, `SIGSEGV`, `SIGBUS`.
/// * [`Unsupported`](io::ErrorKind::Unsupported) for signals that the platform lacks. Windows has
///   only `SIGINT` (Ctrl-C).
/// * Any error of the operating system.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// let hangup = signal(Signal::Hup)?;
/// assert!(signal(Signal::Kill).is_err());
/// # drop(hangup);
/// # Ok(())
/// # }
/// ```
pub fn signal(signal: Signal) -> io::Result<SignalSource> {
    signals([signal])
}

/// Creates a source that fires when the process receives any of these signals, with the reason [`Reason::Signal`], which
/// contains the signal.
///
/// Otherwise the same as [`signal`].
///
/// # Cancel safety
///
/// As for [`signal`].
///
/// # Errors
///
/// As for [`signal`], and [`InvalidInput`](io::ErrorKind::InvalidInput) for an empty list. If one of the signals cannot be
/// caught, or if the process runs out of file descriptors, none of the signals is registered.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// let reload = signals([Signal::Hup, Signal::Usr1])?;
/// assert!(signals([]).is_err());
/// # drop(reload);
/// # Ok(())
/// # }
/// ```
pub fn signals(signals: impl IntoIterator<Item = Signal>) -> io::Result<SignalSource> {
    let set = SignalSet::new(signals)?;
    Ok(SignalSource { set, waiting: Waiter::new(hub::listen(set)?) })
}

/// Creates a source that fires on Ctrl-C (`SIGINT`), with the reason [`Reason::Signal`].
///
/// # Cancel safety
///
/// As for [`signal`].
///
/// # Errors
///
/// As for [`signal`].
///
/// # Examples
///
/// ```no_run
/// use cancelable::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// # smol::block_on(async {
/// let cancelled = std::future::pending::<()>().cancelable(ctrl_c()?).await.unwrap_err();
/// assert_eq!(cancelled.reason(), &Reason::signal(Signal::Int));
/// # Ok(()) })
/// # }
/// ```
pub fn ctrl_c() -> io::Result<SignalSource> {
    signal(Signal::Int)
}

/// Creates a source that fires when the process receives `SIGINT` (Ctrl-C) or `SIGTERM`, with the reason [`Reason::Signal`].
/// On Windows, it fires only on Ctrl-C.
///
/// # Cancel safety
///
/// As for [`signal`].
///
/// # Errors
///
/// As for [`signal`].
///
/// # Examples
///
/// ```no_run
/// use cancelable::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// # smol::block_on(async {
/// let served = std::future::pending::<()>().cancelable(termination()?).await;
/// assert!(served.unwrap_err().is_signal());
/// # Ok(()) })
/// # }
/// ```
pub fn termination() -> io::Result<SignalSource> {
    if cfg!(unix) { signals([Signal::Int, Signal::Term]) } else { ctrl_c() }
}

/// Source of [`signal`], [`signals`], [`ctrl_c`] and [`termination`].
///
/// # Panics
///
/// Panics if polled after completion.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct SignalSource {
    set: SignalSet,
    waiting: Waiter<Arc<Latch<Signal>>>,
}

impl SignalSource {
    /// Ends the process when a second signal arrives, in the same way as [`exit_like`](crate::reason::exit_like).
    ///
    /// Users of command-line tools expect this: the first Ctrl-C asks the program to stop, the second forces it to. The
    /// process has a single count, which includes the signals of every source on which this method was called. The count
    /// starts at this call, and starts again if the method is called again. Dropping the source does not stop the count.
    ///
    /// The process ends on the reactor's thread, so no destructor runs. On Unix, the second signal takes its default
    /// action, so a shell sees that the process was killed by that signal. Elsewhere, the process exits with the code
    /// 128 plus the number of the signal.
    ///
    /// The operating system may merge signals of one kind that come in quick succession. Merged signals count as one.
    ///
    /// ```no_run
    /// use cancelable::prelude::*;
    ///
    /// # async fn save() {}
    /// # fn main() -> std::io::Result<()> {
    /// # smol::block_on(async {
    /// let stop = termination()?.second_signal_exits();
    /// let worked = std::future::pending::<()>().cancelable(stop).await;
    /// save().await; // A second Ctrl-C ends even this.
    /// assert!(worked.is_err());
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn second_signal_exits(self) -> Self {
        hub::exit_on_second(self.set);
        self
    }
}

impl Future for SignalSource {
    type Output = Reason;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        self.waiting.poll("SignalSource", cx, |signal| Reason::signal(*signal))
    }
}

impl FusedFuture for SignalSource {
    fn is_terminated(&self) -> bool {
        self.waiting.is_done()
    }
}
