//! `ShutdownPhases`: several registries that shut down one after the other. `Stopping`: the shutdown of these registries,
//! while it runs.

use std::fmt;
#[cfg(feature = "signal")]
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Shutdown, ShutdownPlan, ShutdownReport, ShutdownWhen};
use crate::reason::Reason;
use crate::registry::Registry;
#[cfg(feature = "signal")]
use crate::source::SignalSource;
use crate::source::Source;
use crate::text::Text;

/// Registries that shut down one after the other. Each has its own time to finish.
///
/// Use it if one part of a program must stop before another: the servers that accept requests before
/// the workers that answer them, the workers before the connection pool.
///
/// The next phase begins when the shutdown of the previous registry has ended: as soon as all its operations have left, and
/// at the latest when the time to finish, the grace and the time to [settle](ShutdownPlan::settle) are over. Until a phase
/// begins, its registry stays open and its operations continue. A phase that does not stop in time delays the others, but
/// does not prevent them.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::registry::{Shutdown, ShutdownPlan};
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let (intake, workers) = (Registry::new(), Registry::new());
/// let accept = std::future::pending::<()>().cancelable(never()).named("accept");
/// let accept = smol::spawn(accept.registered_in(&intake));
/// let closing = workers.closing();
/// let index = async { drop(closing.await) }.cancelable(never()).named("index");
/// let index = smol::spawn(index.registered_in(&workers));
///
/// let phases = Shutdown::phases()
///     .then("intake", &intake, Duration::ZERO)
///     .then("workers", &workers, Duration::from_secs(20));
/// let stop = async { Reason::manual("deployment") };
/// let end = phases.shutdown_when(stop, ShutdownPlan::new()).await;
///
/// assert!(end.report.is_clean());
/// assert_eq!(end.report.phases[0].name.as_ref(), "intake");
/// assert_eq!(end.report.phases[1].stopped, 1);
/// # assert!(accept.await.is_err() && index.await.is_ok());
/// # });
/// ```
#[derive(Clone, Default)]
#[must_use = "phases do nothing by themselves"]
pub struct ShutdownPhases {
    phases: Vec<PhasePlan>,
}

/// One phase.
#[derive(Clone, Debug)]
pub(super) struct PhasePlan {
    /// The name, and how long the operations of the phase may take to finish. `None` for the only phase of
    /// [`Registry::shutdown_when`], which has no name and takes that time from the plan.
    pub(super) finish: Option<(Text, Duration)>,
    pub(super) registry: Registry,
}

impl Shutdown {
    /// Returns an empty list of phases. Add them with [`then`](ShutdownPhases::then).
    pub fn phases() -> ShutdownPhases {
        ShutdownPhases::default()
    }
}

impl ShutdownPhases {
    /// Adds a phase after the others. The operations of `registry` get up to `finish` to finish, instead of
    /// [`ShutdownPlan::finish`]. If `finish` is zero, they are cancelled at once. The [grace](ShutdownPlan::grace) of the
    /// plan applies to each phase.
    pub fn then(mut self, name: impl Into<Text>, registry: &Registry, finish: Duration) -> Self {
        let finish = Some((name.into(), finish));
        self.phases.push(PhasePlan { finish, registry: registry.clone() });
        self
    }

    /// Waits until the source fires, then shuts the phases down one after the other. Hooks, the delay for load
    /// balancers and a second request to shut down work as in [`Registry::shutdown_when`]. The delay comes once,
    /// before the first phase.
    ///
    /// A second request cancels the operations of the current phase and of all later ones without a grace period.
    pub fn shutdown_when<S>(self, source: S, plan: ShutdownPlan) -> ShutdownWhen<S::Future>
    where
        S: Source,
    {
        ShutdownWhen::new(self.phases, source.into_source(), plan)
    }

    /// Shuts the phases down when the process receives `SIGTERM` or `SIGINT`. See
    /// [`Registry::shutdown_on_termination`].
    ///
    /// # Errors
    ///
    /// The same as for [`signal`](crate::signal()).
    #[cfg(feature = "signal")]
    pub fn shutdown_on_termination(
        self,
        plan: ShutdownPlan,
    ) -> io::Result<ShutdownWhen<SignalSource>> {
        ShutdownWhen::on_termination(self.phases, plan)
    }
}

impl fmt::Debug for ShutdownPhases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phases = self.phases.iter().filter_map(|phase| phase.finish.as_ref());
        f.debug_map().entries(phases.map(|(name, finish)| (name, finish))).finish()
    }
}

/// The state while the phases are shutting down.
pub(super) struct Stopping {
    pub(super) reason: Reason,
    /// The index of the current phase.
    phase: usize,
    /// `None` if there are no phases.
    shutdown: Option<Shutdown>,
    /// The report of the earlier phases.
    report: ShutdownReport,
}

impl Stopping {
    pub(super) fn new(reason: Reason) -> Self {
        Stopping { reason, phase: 0, shutdown: None, report: ShutdownReport::default() }
    }

    /// Begins the current phase, if there is one.
    pub(super) fn begin(&mut self, phases: &[PhasePlan], plan: &ShutdownPlan, insisted: bool) {
        self.shutdown = phases.get(self.phase).map(|phase| {
            let mut shutdown = plan.shutdown(phase, &self.reason);
            if insisted {
                // Start the shutdown first. A shutdown that has not begun does not notice `force`.
                shutdown.start();
                phase.registry.force();
            }
            shutdown
        });
    }

    /// Ends the current phase: cancels its operations, and cuts their grace periods short.
    pub(super) fn force(&self, phases: &[PhasePlan]) {
        if let Some(phase) = phases.get(self.phase) {
            phase.registry.force();
        }
    }

    /// Shuts down the current phase, and then the later ones.
    pub(super) fn poll(
        &mut self,
        phases: &[PhasePlan],
        plan: &ShutdownPlan,
        insisted: bool,
        cx: &mut Context<'_>,
    ) -> Poll<ShutdownReport> {
        while let Some(shutdown) = &mut self.shutdown {
            let report = ready!(Pin::new(shutdown).poll(cx));
            match &phases[self.phase].finish {
                Some((name, finish)) => self.report.add_phase(name.clone(), *finish, report),
                None => self.report = report,
            }
            self.phase += 1;
            self.begin(phases, plan, insisted);
        }
        Poll::Ready(std::mem::take(&mut self.report))
    }
}
