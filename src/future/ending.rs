//! What happens once the work of a run is gone: the verdict, and clean-up that awaits.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use pin_project::{pin_project, pinned_drop};

use crate::contain::contain;
use crate::sync::Mutex;
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::{Cancelled, Reason};

/// What a run does once its work is gone. This trait is sealed: it is what
/// [`finally`](crate::Cancelable::finally) and its relatives put together.
pub trait Ending<T>: sealed::Ending<T> {}

impl<T, E: sealed::Ending<T>> Ending<T> for E {}

/// What became of the work.
#[allow(missing_debug_implementations, reason = "it is not reachable from outside")]
pub enum Verdict<'a> {
    /// It returned a value.
    Completed,
    /// It returned an error.
    Failed(&'a (dyn Display + 'a)),
    /// It returned the cancellation.
    Cancelled(Reason),
}

use sealed::Judge;

mod sealed {
    use super::*;

    /// Says what became of work that returned this, where the reason is why it was cancelled, if it
    /// was.
    #[allow(unreachable_pub, reason = "part of a trait that is sealed by being unreachable")]
    pub type Judge<T> = for<'a> fn(&'a T, Option<&Reason>) -> Verdict<'a>;

    pub trait Ending<T> {
        /// Whether there is anything to run.
        const CLEANS_UP: bool;

        /// Lets `judge` say what became of the work.
        fn judge_by(&self, judge: Judge<T>);

        /// What became of work that returned this, where `cause` is why it was cancelled, if it was.
        fn verdict<'a>(&self, value: &'a T, cause: Option<&Reason>) -> Verdict<'a>;

        /// Notes that the run has started: from here on there is something to clean up.
        fn start(self: Pin<&mut Self>);

        /// Keeps the outcome of a run that is stopped, where there is a place for it.
        fn keep(self: Pin<&mut Self>, _outcome: &mut Option<Result<T, Cancelled>>) {}

        /// Gives that back.
        fn give_back(self: Pin<&mut Self>, _outcome: &mut Option<Result<T, Cancelled>>) {}

        /// Whether there is clean-up that is not finished, and that nobody would take over.
        fn owes(&self) -> bool {
            false
        }

        /// Hands on what may be taken over, in the order in which it was given.
        fn hand_on(self: Pin<&mut Self>) {}

        /// Runs what is to run, and is ready when that is done. Where it is not, it keeps the
        /// outcome; where it is, it has given it back.
        fn poll_end(
            self: Pin<&mut Self>,
            outcome: &mut Option<Result<T, Cancelled>>,
            cx: &mut Context<'_>,
        ) -> Poll<()>;
    }
}

/// Work that cannot fail, and nothing to clean up.
impl<T> sealed::Ending<T> for () {
    const CLEANS_UP: bool = false;

    fn judge_by(&self, _judge: Judge<T>) {}

    fn verdict<'a>(&self, _value: &'a T, _cause: Option<&Reason>) -> Verdict<'a> {
        Verdict::Completed
    }

    fn start(self: Pin<&mut Self>) {}

    fn poll_end(
        self: Pin<&mut Self>,
        _outcome: &mut Option<Result<T, Cancelled>>,
        _cx: &mut Context<'_>,
    ) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Work that may fail: an `Err` is a failure.
///
/// What an error says is asked only of a run that is observed, so that only there it must be able to
/// say it.
pub struct Fallible<T> {
    judge: OnceLock<Judge<T>>,
}

impl<T> Fallible<T> {
    pub(super) fn new() -> Self {
        Fallible { judge: OnceLock::new() }
    }
}

/// The judge of work that may fail.
pub(super) fn judge_result<'a, T, X: Display + From<Cancelled>>(
    value: &'a Result<T, X>,
    cause: Option<&Reason>,
) -> Verdict<'a> {
    let Err(error) = value else { return Verdict::Completed };
    // `check()?` in the work, or a race in it, turns a cancellation into its error. Where that is
    // what came out, and nothing was made of it, the work was cancelled.
    let (text, printed) = Cancelled::within(error);
    let is_what_came_out = |reason: &Reason| {
        let said = contain(|| X::from(Cancelled::from(reason.clone())).to_string());
        said.is_ok_and(|said| said == text)
    };
    if let Some(reason) = printed.iter().chain(cause).find(|reason| is_what_came_out(reason)) {
        return Verdict::Cancelled(cause.unwrap_or(reason).clone());
    }
    Verdict::Failed(error)
}

impl<T> sealed::Ending<T> for Fallible<T> {
    const CLEANS_UP: bool = false;

    fn judge_by(&self, judge: Judge<T>) {
        // There is one for each type: it makes no difference which call was first.
        let _ = self.judge.set(judge);
    }

    fn verdict<'a>(&self, value: &'a T, cause: Option<&Reason>) -> Verdict<'a> {
        self.judge.get().map_or(Verdict::Completed, |judge| judge(value, cause))
    }

    fn start(self: Pin<&mut Self>) {}

    fn poll_end(
        self: Pin<&mut Self>,
        _outcome: &mut Option<Result<T, Cancelled>>,
        _cx: &mut Context<'_>,
    ) -> Poll<()> {
        Poll::Ready(())
    }
}

impl<T> fmt::Debug for Fallible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallible")
    }
}

/// Clean-up of [`finally`](crate::Cancelable::finally), after what was given earlier.
#[pin_project]
pub struct Finally<T, E, C, Fut> {
    #[pin]
    earlier: E,
    /// While it is running.
    outcome: Option<Result<T, Cancelled>>,
    clean_up: Option<C>,
    #[pin]
    running: Option<Fut>,
    /// Whether a poll of it has begun and not returned: it has panicked then.
    polling: bool,
    #[cfg(feature = "time")]
    limit: Option<Countdown>,
}

impl<T, E, C, Fut> Finally<T, E, C, Fut> {
    pub(crate) fn new(earlier: E, clean_up: C) -> Self {
        Finally {
            earlier,
            outcome: None,
            clean_up: Some(clean_up),
            running: None,
            polling: false,
            #[cfg(feature = "time")]
            limit: None,
        }
    }

    #[cfg(feature = "time")]
    pub(crate) fn within(mut self, limit: Countdown) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl<T, E, C, Fut> sealed::Ending<T> for Finally<T, E, C, Fut>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future,
{
    const CLEANS_UP: bool = true;

    fn judge_by(&self, judge: Judge<T>) {
        self.earlier.judge_by(judge);
    }

    fn verdict<'a>(&self, value: &'a T, cause: Option<&Reason>) -> Verdict<'a> {
        self.earlier.verdict(value, cause)
    }

    fn start(self: Pin<&mut Self>) {
        self.project().earlier.start();
    }

    fn keep(self: Pin<&mut Self>, outcome: &mut Option<Result<T, Cancelled>>) {
        *self.project().outcome = outcome.take();
    }

    fn give_back(self: Pin<&mut Self>, outcome: &mut Option<Result<T, Cancelled>>) {
        *outcome = self.project().outcome.take();
    }

    fn owes(&self) -> bool {
        self.clean_up.is_some() || self.running.is_some() || self.earlier.owes()
    }

    fn hand_on(self: Pin<&mut Self>) {
        self.project().earlier.hand_on();
    }

    fn poll_end(
        self: Pin<&mut Self>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        if let Some(kept) = this.outcome.take() {
            *outcome = Some(kept);
        }
        ready!(this.earlier.poll_end(outcome, cx));
        if let (Some(clean_up), Some(outcome)) = (this.clean_up.take(), &*outcome) {
            let started = clean_up(outcome);
            this.running.set(Some(started));
        }
        if std::mem::take(this.polling) {
            this.running.set(None);
        }
        if let Some(running) = this.running.as_mut().as_pin_mut() {
            *this.polling = true;
            let pending = running.poll(cx).is_pending();
            *this.polling = false;
            if pending {
                #[cfg(feature = "time")]
                if this.limit.as_mut().is_some_and(|limit| limit.poll("finally", cx).is_ready()) {
                    this.running.set(None);
                    return Poll::Ready(());
                }
                *this.outcome = outcome.take();
                return Poll::Pending;
            }
        }
        this.running.set(None);
        Poll::Ready(())
    }
}

impl<T, E, C, Fut> fmt::Debug for Finally<T, E, C, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finally")
    }
}

/// Clean-up that may be taken over.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What takes over clean-up whose run was dropped. Every
/// `FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>)` is one.
pub trait Spawner: FnOnce(Task) {}

impl<P: FnOnce(Task)> Spawner for P {}

/// Clean-up of [`finally_or_spawn`](crate::Cancelable::finally_or_spawn), after what was given
/// earlier.
#[pin_project(PinnedDrop)]
pub struct FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    #[pin]
    earlier: E,
    /// While it is running.
    outcome: Option<Result<T, Cancelled>>,
    clean_up: Option<C>,
    /// The lock is never contended: it makes this `Sync`.
    running: Mutex<Option<Task>>,
    /// `Some` while there is something to take over.
    spawner: Option<P>,
    started: bool,
}

impl<T, E, C, Fut, P> FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    pub(crate) fn new(earlier: E, clean_up: C, spawner: P) -> Self {
        FinallyOrSpawn {
            earlier,
            outcome: None,
            clean_up: Some(clean_up),
            running: Mutex::default(),
            spawner: Some(spawner),
            started: false,
        }
    }

    /// Says whether the run has started already.
    pub(crate) fn started(mut self, started: bool) -> Self {
        self.started = started;
        self
    }
}

impl<T, E, C, Fut, P> sealed::Ending<T> for FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    const CLEANS_UP: bool = true;

    fn judge_by(&self, judge: Judge<T>) {
        self.earlier.judge_by(judge);
    }

    fn verdict<'a>(&self, value: &'a T, cause: Option<&Reason>) -> Verdict<'a> {
        self.earlier.verdict(value, cause)
    }

    fn start(self: Pin<&mut Self>) {
        let this = self.project();
        *this.started = true;
        this.earlier.start();
    }

    fn keep(self: Pin<&mut Self>, outcome: &mut Option<Result<T, Cancelled>>) {
        *self.project().outcome = outcome.take();
    }

    fn give_back(self: Pin<&mut Self>, outcome: &mut Option<Result<T, Cancelled>>) {
        *outcome = self.project().outcome.take();
    }

    fn owes(&self) -> bool {
        self.earlier.owes()
    }

    fn hand_on(self: Pin<&mut Self>) {
        let this = self.project();
        this.earlier.hand_on();
        let Some(spawner) = this.spawner.take().filter(|_| *this.started) else { return };
        let left = (this.running.lock().take(), this.clean_up.take());
        // Its panic has been printed, and there is nobody else to tell.
        let _ = contain(|| match left {
            (Some(running), _) => spawner(running),
            (None, Some(clean_up)) => spawner(Box::pin(clean_up(&Err(Reason::Dropped.into())))),
            (None, None) => {}
        });
    }

    fn poll_end(
        self: Pin<&mut Self>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let this = self.project();
        if let Some(kept) = this.outcome.take() {
            *outcome = Some(kept);
        }
        ready!(this.earlier.poll_end(outcome, cx));
        let mut running = this.running.lock().take();
        if let (Some(clean_up), Some(outcome)) = (this.clean_up.take(), &*outcome) {
            running = Some(Box::pin(clean_up(outcome)));
        }
        // Where it panics it is gone: nothing of it is left to take over.
        if let Some(mut running) = running {
            if running.as_mut().poll(cx).is_pending() {
                *this.running.lock() = Some(running);
                *this.outcome = outcome.take();
                return Poll::Pending;
            }
        }
        *this.spawner = None;
        Poll::Ready(())
    }
}

#[pinned_drop]
impl<T, E, C, Fut, P> PinnedDrop for FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    fn drop(self: Pin<&mut Self>) {
        sealed::Ending::hand_on(self);
    }
}

impl<T, E, C, Fut, P> fmt::Debug for FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FinallyOrSpawn")
    }
}
