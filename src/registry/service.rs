//! `shutdown_when`: a process that is asked to end drains, shuts down, and says how that went.

use std::fmt;
use std::future::poll_fn;
#[cfg(feature = "signal")]
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::FusedFuture;
use pin_project::pin_project;

use super::{Registry, Shutdown, ShutdownPlan, ShutdownReport};
use crate::Reason;
#[cfg(feature = "signal")]
use crate::source::{SignalSource, termination};
use crate::sync::Mutex;
use crate::timer::Countdown;
use crate::wait::polled_after_completion;

type MakeInsist = Box<dyn FnOnce() -> Option<Insist> + Send>;
type Insist = Pin<Box<dyn Future<Output = Reason> + Send>>;

/// How a service ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServiceEnd {
    /// Why it was asked to end.
    pub reason: Reason,
    /// Whether it was asked a second time.
    pub insisted: bool,
    /// Who stopped, and who did not.
    pub report: ShutdownReport,
}

impl ServiceEnd {
    /// What the process should return: 0 where everyone stopped, 1 where somebody did not. Where it
    /// was asked a second time, 128 plus the number of the first signal, or 1 if that was none.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
    /// use cancelable::Registry;
    /// use std::process::ExitCode;
    ///
    /// # smol::block_on(async {
    /// let stop = async { Reason::manual("stop") };
    /// let end = Registry::new().shutdown_when(stop, ShutdownPlan::new()).await;
    /// assert_eq!(end.exit_code(), ExitCode::SUCCESS);
    /// # });
    /// ```
    pub fn exit_code(&self) -> ExitCode {
        if self.insisted {
            if let Reason::Signal { signal } = self.reason.root() {
                return u8::try_from(128 + signal.number())
                    .map_or(ExitCode::FAILURE, ExitCode::from);
            }
            return ExitCode::FAILURE;
        }
        if self.report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for ServiceEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = if self.insisted { ", twice" } else { "" };
        write!(f, "{}{again}\n{}", self.reason, self.report)
    }
}

impl Registry {
    /// Waits until the source fires, and then ends the service as the plan says: tells the hook,
    /// goes on for the drain delay, [shuts down](Self::shutdown) for the reason of the source, and
    /// tells how that went.
    ///
    /// # Cancel safety
    ///
    /// That of the source; from the shutdown on, as for [`shutdown`](Self::shutdown).
    ///
    /// # Panics
    ///
    /// When polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
    /// use cancelable::Registry;
    ///
    /// # smol::block_on(async {
    /// let (registry, stop) = (Registry::new(), CancellationToken::new());
    /// let work = std::future::pending::<()>().cancelable(never()).named("work");
    /// let task = smol::spawn(work.registered_in(&registry));
    ///
    /// stop.cancel_with("deployed anew");
    /// let end = registry.shutdown_when(&stop, ShutdownPlan::new()).await;
    /// assert!(end.report.is_clean());
    /// assert_eq!(task.await, Err(Cancelled::new("deployed anew")));
    /// # });
    /// ```
    pub fn shutdown_when<S>(&self, source: S, plan: ShutdownPlan) -> ShutdownWhen<S::IntoFuture>
    where
        S: IntoFuture<Output = Reason>,
    {
        ShutdownWhen {
            registry: self.clone(),
            source: Some(source.into_future()),
            plan: Some(plan),
            insist: Mutex::default(),
            insisting: Mutex::default(),
            insisted: false,
            stage: Stage::Serving,
        }
    }

    /// [`shutdown_when`](Self::shutdown_when) the process receives `SIGTERM` or `SIGINT`, with the
    /// ladder that operators expect.
    ///
    /// 1. The first signal drains, and shuts down. Ctrl-C does not drain.
    /// 2. The second, of either kind, ends the drain delay and all grace periods.
    /// 3. The third ends the process at once, with the exit code 128 plus its number.
    ///
    /// The first signal is registered here and now. See [`signal`](crate::signal()) for what that
    /// means for its default action. The second is listened for once the first has been seen.
    ///
    /// # Errors
    ///
    /// As for [`signal`](crate::signal()).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use cancelable::registry::ShutdownPlan;
    /// use cancelable::Registry;
    /// use std::io;
    /// use std::process::ExitCode;
    /// use std::time::Duration;
    ///
    /// # async fn accept() -> io::Result<()> { std::future::pending().await }
    /// fn main() -> io::Result<ExitCode> {
    ///     smol::block_on(async {
    ///         let plan = ShutdownPlan::new().drain(Duration::from_secs(5));
    ///         let stop = Registry::global().shutdown_on_termination(plan)?;
    ///         let (served, end) = stop.serve(accept()).await;
    ///         served.unwrap_or(Ok(()))?;
    ///         eprintln!("{end}");
    ///         Ok(end.exit_code())
    ///     })
    /// }
    /// ```
    #[cfg(feature = "signal")]
    pub fn shutdown_on_termination(
        &self,
        plan: ShutdownPlan,
    ) -> io::Result<ShutdownWhen<SignalSource>> {
        let ends = self.shutdown_when(termination()?, plan);
        *ends.insist.lock() = Some(Box::new(|| {
            // The first is registered: where the second cannot be, there is no ladder.
            Some(Box::pin(termination().ok()?.second_signal_exits()))
        }));
        Ok(ends)
    }
}

/// Future of [`Registry::shutdown_when`] and [`Registry::shutdown_on_termination`].
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ShutdownWhen<S> {
    registry: Registry,
    /// `None` once it has fired.
    #[pin]
    source: Option<S>,
    /// `None` once it is used.
    plan: Option<ShutdownPlan>,
    /// Makes the source of a second request, once the first has come.
    insist: Mutex<Option<MakeInsist>>,
    insisting: Mutex<Option<Insist>>,
    insisted: bool,
    stage: Stage,
}

enum Stage {
    Serving,
    Draining { reason: Reason, delay: Countdown, shutdown: Box<Shutdown> },
    Stopping { reason: Reason, shutdown: Box<Shutdown> },
    Done,
}

impl<S: Future<Output = Reason>> ShutdownWhen<S> {
    /// Takes a second request: `second` makes the source of it, once the first has come. It ends the
    /// drain delay, and cuts grace periods [short](Registry::force).
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
    /// use cancelable::Registry;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let plan = ShutdownPlan::new().drain(Duration::from_secs(600));
    /// let stop = registry.shutdown_when(async { Reason::manual("stop") }, plan);
    /// let end = stop.insist_when(|| async { Reason::manual("at once") }).await;
    /// assert!(end.insisted);
    /// # });
    /// ```
    pub fn insist_when<I>(self, second: impl FnOnce() -> I + Send + 'static) -> Self
    where
        I: IntoFuture<Output = Reason>,
        I::IntoFuture: Send + 'static,
    {
        *self.insist.lock() = Some(Box::new(move || Some(Box::pin(second().into_future()))));
        self
    }

    /// Runs the service itself meanwhile: it is polled along until the shutdown is through, and then
    /// dropped. Tells what it returned, if it did, and how it ended.
    ///
    /// What the service still does by then is lost: an answer that it has not sent is never sent.
    /// Where something has to be finished after the operations, spawn the service, await this future
    /// instead, and then the service.
    ///
    /// A service that returns by itself is a request too, for the reason `"the service ended"`, and
    /// has nothing to drain. What asks the second time is listened for from then on.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the service.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
    /// use cancelable::Registry;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let stop = registry.shutdown_when(never(), ShutdownPlan::new());
    /// let (served, end) = stop.serve(async { "no more work" }).await;
    /// assert_eq!(served, Some("no more work"));
    /// assert_eq!(end.reason, Reason::manual("the service ended"));
    /// # });
    /// ```
    pub async fn serve<F: IntoFuture>(self, service: F) -> (Option<F::Output>, ServiceEnd) {
        let mut ends = pin!(self);
        let mut service = pin!(service.into_future());
        let mut served = None;
        let end = poll_fn(|cx| {
            if served.is_none() {
                if let Poll::Ready(value) = service.as_mut().poll(cx) {
                    served = Some(value);
                    ends.as_mut().service_ended();
                }
            }
            ends.as_mut().poll(cx)
        });
        let end = end.await;
        (served, end)
    }

    fn service_ended(self: Pin<&mut Self>) {
        let mut this = self;
        if let Stage::Serving = this.stage {
            this.as_mut().asked(Reason::manual("the service ended"));
        }
        if let Stage::Draining { delay, .. } = this.project().stage {
            *delay = Countdown::lasting(Duration::ZERO);
        }
    }

    /// It is asked to end.
    fn asked(self: Pin<&mut Self>, reason: Reason) {
        let mut this = self.project();
        // While the first is still there: what it listens to goes on being listened to.
        let insist = this.insist.lock().take();
        let second = insist.and_then(|insist| insist());
        *this.insisting.lock() = second;
        this.source.set(None);
        let plan = this.plan.take().unwrap_or_default();
        plan.tell(&reason);
        let delay = Countdown::lasting(plan.delay(&reason));
        let shutdown = Box::new(plan.shutdown(this.registry, &reason));
        *this.stage = Stage::Draining { reason, delay, shutdown };
    }
}

impl<S: Future<Output = Reason>> Future for ShutdownWhen<S> {
    type Output = ServiceEnd;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ServiceEnd> {
        let mut asks = self;
        let this = asks.as_mut().project();
        if let (Stage::Serving, Some(source)) = (this.stage, this.source.as_pin_mut()) {
            let Poll::Ready(reason) = source.poll(cx) else { return Poll::Pending };
            asks.as_mut().asked(reason);
        }
        let this = asks.project();
        let second = this.insisting.lock().take();
        if let Some(mut second) = second {
            if second.as_mut().poll(cx).is_ready() {
                *this.insisted = true;
                // It has to wait already: force that comes before is not meant for it.
                if let Stage::Draining { shutdown, .. } = this.stage {
                    shutdown.start();
                }
                this.registry.force();
            } else {
                *this.insisting.lock() = Some(second);
            }
        }
        if let Stage::Draining { delay, .. } = this.stage {
            if !*this.insisted && delay.poll("ShutdownWhen", cx).is_pending() {
                return Poll::Pending;
            }
        }
        *this.stage = match std::mem::replace(this.stage, Stage::Done) {
            Stage::Draining { reason, shutdown, .. } => Stage::Stopping { reason, shutdown },
            stage => stage,
        };
        let Stage::Stopping { reason, shutdown } = this.stage else {
            polled_after_completion("ShutdownWhen")
        };
        let Poll::Ready(report) = Pin::new(&mut **shutdown).poll(cx) else { return Poll::Pending };
        let end = ServiceEnd { reason: reason.clone(), insisted: *this.insisted, report };
        *this.stage = Stage::Done;
        let second = this.insisting.lock().take();
        drop(second);
        Poll::Ready(end)
    }
}

impl<S: Future<Output = Reason>> FusedFuture for ShutdownWhen<S> {
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }
}

impl<S> fmt::Debug for ShutdownWhen<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Serving => "serving",
            Stage::Draining { .. } => "draining",
            Stage::Stopping { .. } => "stopping",
            Stage::Done => "done",
        };
        f.debug_struct("ShutdownWhen")
            .field("stage", &format_args!("{stage}"))
            .finish_non_exhaustive()
    }
}
