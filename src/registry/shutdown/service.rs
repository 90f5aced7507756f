//! `ShutdownWhen`: shuts a service down once a source fires, and returns the result as a `ServiceEnd`.

use std::fmt;
use std::future::poll_fn;
#[cfg(feature = "signal")]
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::FusedFuture;
use pin_project::pin_project;

use super::phases::{PhasePlan, Stopping};
use super::{ServiceEnd, ShutdownPlan};
use crate::reason::Reason;
use crate::registry::Registry;
use crate::source::Source;
#[cfg(feature = "signal")]
use crate::source::{SignalSource, termination};
use crate::sync::Mutex;
use crate::timer::Countdown;
use crate::wait::polled_after_completion;

impl Registry {
    /// Waits until the source fires, then shuts the service down as the plan says. It calls the hooks of the plan, waits for
    /// the delay for load balancers if there is one, [shuts down](Self::shutdown) for the reason of the source, and returns
    /// a [`ServiceEnd`].
    ///
    /// # Cancel safety
    ///
    /// The same as for the source. Once the shutdown has begun, the same as for [`shutdown`](Self::shutdown).
    ///
    /// # Panics
    ///
    /// Panics if polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
    ///
    /// # smol::block_on(async {
    /// let (registry, stop) = (Registry::new(), CancellationToken::new());
    /// let request = smol::future::yield_now().cancelable(never()).named("request");
    /// let request = smol::spawn(request.registered_in(&registry));
    ///
    /// stop.cancel_with("deployment");
    /// let end = registry.shutdown_when(&stop, ShutdownPlan::new()).await;
    /// assert!(end.report.is_clean());
    /// assert_eq!(end.reason, Reason::manual("deployment"));
    /// assert_eq!(request.await, Ok(()));
    /// # });
    /// ```
    pub fn shutdown_when<S>(&self, source: S, plan: ShutdownPlan) -> ShutdownWhen<S::Future>
    where
        S: Source,
    {
        ShutdownWhen::new(self.as_only_phase(), source.into_source(), plan)
    }

    fn as_only_phase(&self) -> Vec<PhasePlan> {
        vec![PhasePlan { finish: None, registry: self.clone() }]
    }

    /// Shuts the service down when the process receives `SIGTERM` or `SIGINT`, in the steps that
    /// operators expect. See [`shutdown_when`](Self::shutdown_when).
    ///
    /// 1. The first signal begins the shutdown, after the delay for load balancers if the plan has one. Ctrl-C has no
    ///    delay.
    /// 2. A second signal, of either kind, cancels the remaining operations, without a grace period.
    /// 3. A third one ends the process at once, as [`exit_like`](crate::reason::exit_like) does.
    ///
    /// This call starts to listen for the first signal. See [`signal`](crate::signal()) for how that affects the
    /// default action of the signal. The future starts to listen for the second signal once it has seen the first.
    ///
    /// # Errors
    ///
    /// The same as for [`signal`](crate::signal()).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use cancelable::Registry;
    /// use cancelable::registry::ShutdownPlan;
    /// use std::io;
    /// use std::process::ExitCode;
    /// use std::time::Duration;
    ///
    /// # async fn accept() -> io::Result<()> { std::future::pending().await }
    /// fn main() -> io::Result<ExitCode> {
    ///     smol::block_on(async {
    ///         let plan = ShutdownPlan::new().finish(Duration::from_secs(15));
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
        ShutdownWhen::on_termination(self.as_only_phase(), plan)
    }
}

/// Future of [`Registry::shutdown_when`] and [`Registry::shutdown_on_termination`].
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ShutdownWhen<S> {
    phases: Vec<PhasePlan>,
    /// `None` after the first request.
    #[pin]
    source: Option<S>,
    plan: ShutdownPlan,
    /// The lock only makes the future `Sync`. It is never contended, and is not held while user code runs.
    second: Mutex<Second>,
    insisted: bool,
    stage: Stage,
}

/// The source of a second request to shut down.
#[derive(Default)]
enum Second {
    #[default]
    None,
    /// Makes the source. Called after the first request.
    Make(Box<dyn FnOnce() -> Option<SecondSource> + Send>),
    Wait(SecondSource),
}

type SecondSource = Pin<Box<dyn Future<Output = Reason> + Send>>;

enum Stage {
    Serving,
    /// The delay for load balancers.
    Delaying {
        reason: Reason,
        delay: Countdown,
    },
    Stopping(Box<Stopping>),
    Done,
}

#[cfg(feature = "signal")]
impl ShutdownWhen<SignalSource> {
    pub(super) fn on_termination(phases: Vec<PhasePlan>, plan: ShutdownPlan) -> io::Result<Self> {
        let mut when = ShutdownWhen::new(phases, termination()?, plan);
        // Listening for a second signal hardly ever fails, because listening for the first one has succeeded. If it fails, a
        // second signal does not cancel the operations.
        when.second = Mutex::new(Second::Make(Box::new(|| {
            Some(Box::pin(termination().ok()?.second_signal_exits()))
        })));
        Ok(when)
    }
}

impl<S: Future<Output = Reason>> ShutdownWhen<S> {
    pub(super) fn new(phases: Vec<PhasePlan>, source: S, plan: ShutdownPlan) -> Self {
        ShutdownWhen {
            phases,
            source: Some(source),
            plan,
            second: Mutex::new(Second::None),
            insisted: false,
            stage: Stage::Serving,
        }
    }

    /// Accepts a second request, which ends any delay, cancels the remaining operations, and [cuts grace periods
    /// short](Registry::force). `second` is called after the first request, and returns the source of the second one.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let plan = ShutdownPlan::new().load_balancer_delay(Duration::from_secs(600));
    /// let stop = registry.shutdown_when(async { Reason::manual("stop") }, plan);
    /// let end = stop.insist_when(|| async { Reason::manual("at once") }).await;
    /// assert!(end.insisted);
    /// # });
    /// ```
    pub fn insist_when<I>(mut self, second: impl FnOnce() -> I + Send + 'static) -> Self
    where
        I: Source<Future: Send + 'static>,
    {
        let make = move || Some(Box::pin(second().into_source()) as SecondSource);
        self.second = Mutex::new(Second::Make(Box::new(make)));
        self
    }

    /// Runs the service until the shutdown has ended, then drops the service. Returns the output of the service, if it has
    /// completed, and how the shutdown ended.
    ///
    /// A response that the service has not sent by the end of the shutdown is lost. If the service must finish something
    /// after the operations have ended, spawn it as a task. Then await this future without `serve`, and await the task
    /// afterwards.
    ///
    /// If the service returns by itself, that counts as the first request, with the reason `"the service ended"` and
    /// without a delay for load balancers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the service.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
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
        let mut when = pin!(self);
        let mut service = pin!(service.into_future());
        let mut served = None;
        let end = poll_fn(|cx| {
            if served.is_none() {
                if let Poll::Ready(value) = service.as_mut().poll(cx) {
                    served = Some(value);
                    when.as_mut().service_ended();
                }
            }
            when.as_mut().poll(cx)
        });
        let end = end.await;
        (served, end)
    }

    fn service_ended(mut self: Pin<&mut Self>) {
        if let Stage::Serving = self.stage {
            self.as_mut().request(Reason::manual("the service ended"));
        }
        if let Stage::Delaying { delay, .. } = self.project().stage {
            *delay = Countdown::lasting(Duration::ZERO);
        }
    }

    /// Handles the first request.
    fn request(self: Pin<&mut Self>, reason: Reason) {
        let mut this = self.project();
        // The second source is made before the first one is dropped, so that no signal is lost in between.
        let make = std::mem::take(&mut *this.second.lock());
        if let Second::Make(make) = make {
            if let Some(source) = make() {
                *this.second.lock() = Second::Wait(source);
            }
        }
        this.source.set(None);
        this.plan.call_hooks(&reason);
        let delay = Countdown::lasting(this.plan.delay(&reason));
        *this.stage = Stage::Delaying { reason, delay };
    }
}

impl<S: Future<Output = Reason>> Future for ShutdownWhen<S> {
    type Output = ServiceEnd;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ServiceEnd> {
        let this = self.as_mut().project();
        if let (Stage::Serving, Some(source)) = (this.stage, this.source.as_pin_mut()) {
            let reason = ready!(source.poll(cx));
            self.as_mut().request(reason);
        }
        let this = self.project();
        let second = std::mem::take(&mut *this.second.lock());
        if let Second::Wait(mut source) = second {
            if source.as_mut().poll(cx).is_ready() {
                *this.insisted = true;
                if let Stage::Stopping(stopping) = this.stage {
                    stopping.force(this.phases);
                }
            } else {
                *this.second.lock() = Second::Wait(source);
            }
        }
        if let Stage::Delaying { reason, delay } = this.stage {
            if !*this.insisted {
                ready!(delay.poll("ShutdownWhen", cx));
            }
            let mut stopping = Box::new(Stopping::new(reason.clone()));
            stopping.begin(this.phases, this.plan, *this.insisted);
            *this.stage = Stage::Stopping(stopping);
        }
        let Stage::Stopping(stopping) = this.stage else { polled_after_completion("ShutdownWhen") };
        let report = ready!(stopping.poll(this.phases, this.plan, *this.insisted, cx));
        let end = ServiceEnd { reason: stopping.reason.clone(), insisted: *this.insisted, report };
        *this.stage = Stage::Done;
        let second = std::mem::take(&mut *this.second.lock());
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
            Stage::Delaying { .. } => "delaying",
            Stage::Stopping(_) => "stopping",
            Stage::Done => "done",
        };
        f.debug_struct("ShutdownWhen")
            .field("stage", &format_args!("{stage}"))
            .finish_non_exhaustive()
    }
}
