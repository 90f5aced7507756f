//! `condition`: a source that fires when a check returns true.

mod check;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::FusedFuture;
use pin_project::pin_project;

#[cfg(feature = "blocking")]
pub use check::Blocking;
pub use check::{Async, Check, Inline};

use crate::panic::contain;
use crate::poll_context;
use crate::reason::Reason;
use crate::text::Text;
use crate::timer::Countdown;
use crate::wait::polled_after_completion;

/// Pause between two checks, unless [`every`](Condition::every) sets a different one.
const DEFAULT_PAUSE: Duration = Duration::from_millis(100);

/// Shortest pause between two checks. Without a pause, a condition would keep its thread busy.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Creates a source that fires when `check` returns true, with the reason [`Reason::Condition`].
///
/// The first check runs in the first poll, before the work is polled. Between two checks there is a
/// [pause](Condition::every), which is 100 ms by default. Checks run inside the poll of the task and delay it, so keep them
/// short. For a check that awaits, use [`condition_async`]. For a check that blocks, use
/// [`condition_blocking`](crate::source::condition_blocking) (feature `blocking`).
///
/// A check that panics counts as false, and the work continues. The panic hook of the process prints the panic, and the hook
/// set with [`on_panic`](Condition::on_panic) receives the message.
///
/// # Cancel safety
///
/// Dropping the source forgets the number of checks and when the next check is due.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let used = AtomicU64::new(0);
/// let full = condition(|| used.fetch_add(50, Ordering::Relaxed) >= 100)
///     .every(Duration::from_millis(1))
///     .named("disk");
/// let work = std::future::pending::<()>();
/// let cancelled = work.cancelable(full).await.unwrap_err();
/// assert_eq!(cancelled.to_string(), "condition `disk` met after 3 checks");
/// # });
/// ```
pub fn condition<P: FnMut() -> bool>(check: P) -> Condition<Inline<P>> {
    Condition::new(Inline::new(check))
}

/// Creates a source that fires when the future returned by `check` resolves to true, with the reason
/// [`Reason::Condition`].
///
/// Same as [`condition`], for checks that await. Checks never overlap: a slow check delays the next one. If the work ends
/// during a check, the check is dropped.
///
/// # Cancel safety
///
/// Dropping the source drops the running check, and forgets the number of checks and when the next check is due.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let healthy = || async { false };
/// let sick = condition_async(async || !healthy().await).named("sick");
/// assert_eq!(sick.await, Reason::condition("sick", 1));
/// # });
/// ```
pub fn condition_async<P, Fut>(check: P) -> Condition<Async<P, Fut>>
where
    P: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    Condition::new(Async::new(check))
}

/// Creates a source that fires when `check` returns true, with the reason [`Reason::Condition`]. The checks run on the
/// thread pool of the `blocking` crate.
///
/// Same as [`condition`], for checks that block. If the work ends during a check, the check still runs to its end on the
/// pool, and its result is ignored.
///
/// # Cancel safety
///
/// As for [`condition`].
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::path::Path;
///
/// # smol::block_on(async {
/// let here = condition_blocking(|| Path::new("Cargo.toml").exists()).named("file");
/// assert_eq!(here.await, Reason::condition("file", 1));
/// # });
/// ```
#[cfg(feature = "blocking")]
pub fn condition_blocking<P>(check: P) -> Condition<Blocking<P>>
where
    P: FnMut() -> bool + Send + 'static,
{
    Condition::new(Blocking::new(check))
}

/// Source of [`condition`], [`condition_async`] and
/// [`condition_blocking`](crate::source::condition_blocking).
///
/// # Panics
///
/// Panics if polled after completion.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Condition<C> {
    #[pin]
    check: C,
    pause: Duration,
    name: Text,
    on_panic: Option<PanicHook>,
    /// Number of checks that have ended.
    checks: u64,
    state: State,
}

type PanicHook = Box<dyn FnMut(&str) + Send + Sync>;

#[derive(Debug)]
enum State {
    Checking,
    Pausing(Countdown),
    Done,
}

impl<C: Check> Condition<C> {
    fn new(check: C) -> Self {
        Condition {
            check,
            pause: DEFAULT_PAUSE,
            name: Text::from("condition"),
            on_panic: None,
            checks: 0,
            state: State::Checking,
        }
    }

    /// Sets the pause between the end of one check and the start of the next. The pause is 100 ms by default, and never
    /// shorter than 1 ms.
    ///
    /// The pause is as precise as a [`timeout`](crate::timeout()) of its length. A pause that
    /// overflows the clock, such as [`Duration::MAX`], never ends, so there is no second check.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    /// # smol::block_on(async {
    /// let mut checks = 0;
    /// let second = condition(|| { checks += 1; checks == 2 }).every(Duration::from_millis(2));
    /// assert_eq!(second.await, Reason::condition("condition", 2));
    /// # });
    /// ```
    pub fn every(mut self, pause: Duration) -> Self {
        self.pause = pause.max(SHORTEST_PAUSE);
        self
    }

    /// Sets the name that the reason shows. The default is `condition`; an empty name is ignored.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let reason = condition(|| true).named("disk").await;
    /// assert_eq!(reason.to_string(), "condition `disk` met after 1 check");
    /// # });
    /// ```
    pub fn named(mut self, name: impl Into<Text>) -> Self {
        let name = name.into();
        if !name.is_empty() {
            self.name = name;
        }
        self
    }

    /// Calls `hook` with the message of each check that panics. A panic of the hook is ignored.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::sync::mpsc::channel;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let (sender, receiver) = channel();
    /// let sender = std::sync::Mutex::new(sender);
    /// let mut first = true;
    /// let source = condition(move || {
    ///     assert!(!std::mem::take(&mut first), "no such disk");
    ///     true
    /// })
    /// .every(Duration::from_millis(1))
    /// .on_panic(move |message| sender.lock().unwrap().send(message.to_owned()).unwrap());
    ///
    /// assert_eq!(source.await, Reason::condition("condition", 2));
    /// assert_eq!(receiver.recv().unwrap(), "no such disk");
    /// # });
    /// ```
    pub fn on_panic(mut self, hook: impl FnMut(&str) + Send + Sync + 'static) -> Self {
        self.on_panic = Some(Box::new(hook));
        self
    }
}

impl<C: Check> Future for Condition<C> {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        // The time limits of pauses and checks do not cancel the work, so an operation must not report them as its deadline.
        poll_context::ignore_limits(|| self.poll_check(cx))
    }
}

impl<C: Check> Condition<C> {
    fn poll_check(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let mut this = self.project();
        loop {
            match this.state {
                State::Checking => {
                    let outcome = ready!(this.check.as_mut().poll_check(cx));
                    *this.checks += 1;
                    let met = outcome.unwrap_or_else(|message| {
                        if let Some(hook) = this.on_panic {
                            // If this hook panics, the panic hook of the process prints the panic, and the work continues.
                            let _ = contain(|| hook(&message));
                        }
                        false
                    });
                    if met {
                        *this.state = State::Done;
                        return Poll::Ready(Reason::condition(this.name.clone(), *this.checks));
                    }
                    // The next iteration polls the pause, which starts its clock.
                    *this.state = State::Pausing(Countdown::lasting(*this.pause));
                }
                State::Pausing(pause) => {
                    ready!(pause.poll("Condition", cx));
                    *this.state = State::Checking;
                }
                State::Done => polled_after_completion("Condition"),
            }
        }
    }
}

impl<C: Check> FusedFuture for Condition<C> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl<C> fmt::Debug for Condition<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("name", &self.name)
            .field("every", &self.pause)
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}
