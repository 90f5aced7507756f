//! `ShutdownPlan`: how a service shuts down.

use std::fmt;
use std::time::Duration;

use super::Shutdown;
use super::phases::PhasePlan;
use crate::panic::contain;
use crate::reason::Reason;
use crate::signal_kind::Signal;
use crate::sync::Mutex;

/// How long operations may take to finish by default. Together with the grace (5 seconds) and the time to settle (1 second),
/// this stays below the 30 seconds after which Kubernetes kills a process.
const FINISH: Duration = Duration::from_secs(20);

type Hook = Box<dyn FnOnce(&Reason) + Send>;

/// How a service shuts down. See [`Registry::shutdown_when`](crate::Registry::shutdown_when).
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::registry::ShutdownPlan;
/// use std::time::Duration;
///
/// let plan = ShutdownPlan::new()
///     .finish(Duration::from_secs(15))
///     .grace(Duration::from_secs(5))
///     .on_request(|reason| eprintln!("{reason}: not ready any more"));
///
/// # smol::block_on(async {
/// let stop = async { Reason::manual("deployment") };
/// let end = Registry::new().shutdown_when(stop, plan).await;
/// assert!(end.report.is_clean());
/// # });
/// ```
#[must_use = "a plan does nothing by itself"]
pub struct ShutdownPlan {
    load_balancer_delay: Duration,
    finish: Duration,
    grace: Option<Duration>,
    settle: Option<Duration>,
    /// The lock only makes the plan `Sync`. It is never contended.
    on_request: Mutex<Vec<Hook>>,
}

impl ShutdownPlan {
    /// Creates a plan: no delay for load balancers, 20 seconds for the operations to finish, then five seconds of grace.
    pub fn new() -> Self {
        ShutdownPlan {
            load_balancer_delay: Duration::ZERO,
            finish: FINISH,
            grace: None,
            settle: None,
            on_request: Mutex::default(),
        }
    }

    /// Sets a fixed delay before the shutdown. Use it if load balancers still send requests for a while after the readiness
    /// check has failed. During the delay, the service continues as usual and the registry stays open, even if it is idle.
    ///
    /// There is no delay after Ctrl-C (`SIGINT`), because a person is waiting. A second request to shut down
    /// ends the delay. The default is no delay.
    ///
    /// ```
    /// use cancelable::registry::ShutdownPlan;
    /// use std::time::Duration;
    ///
    /// let plan = ShutdownPlan::new().load_balancer_delay(Duration::from_secs(5));
    /// assert!(format!("{plan:?}").contains("load_balancer_delay: 5s"));
    /// ```
    pub fn load_balancer_delay(mut self, delay: Duration) -> Self {
        self.load_balancer_delay = delay;
        self
    }

    /// Sets how long operations may take to finish before they are cancelled. The shutdown ends as soon as all of
    /// them have finished. The default is 20 seconds. See [`shutdown`](crate::Registry::shutdown).
    pub fn finish(mut self, limit: Duration) -> Self {
        self.finish = limit;
        self
    }

    /// Sets how long operations may take to stop once they are cancelled. See [`grace`](Shutdown::grace).
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = Some(limit);
        self
    }

    /// Sets how long to wait for operations whose grace period was cut short. See
    /// [`settle`](Shutdown::settle).
    pub fn settle(mut self, limit: Duration) -> Self {
        self.settle = Some(limit);
        self
    }

    /// Adds a hook that is called when the source fires, before any delay. Use it to make the readiness
    /// check fail. A panic of the hook is contained.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::ShutdownPlan;
    ///
    /// # smol::block_on(async {
    /// let (send, requests) = std::sync::mpsc::channel();
    /// let plan = ShutdownPlan::new().on_request(move |reason| send.send(reason.clone()).unwrap());
    /// Registry::new().shutdown_when(async { Reason::manual("stop") }, plan).await;
    /// assert_eq!(requests.recv(), Ok(Reason::manual("stop")));
    /// # });
    /// ```
    pub fn on_request(self, hook: impl FnOnce(&Reason) + Send + 'static) -> Self {
        self.on_request.lock().push(Box::new(hook));
        self
    }

    pub(super) fn call_hooks(&self, reason: &Reason) {
        let hooks = std::mem::take(&mut *self.on_request.lock());
        for hook in hooks {
            // If the hook panics, the panic is printed. No caller could do more about it.
            let _ = contain(|| hook(reason));
        }
    }

    /// Returns the delay for load balancers before a shutdown for this reason.
    pub(super) fn delay(&self, reason: &Reason) -> Duration {
        let is_ctrl_c = matches!(reason.root(), Reason::Signal { signal: Signal::Int });
        if is_ctrl_c { Duration::ZERO } else { self.load_balancer_delay }
    }

    pub(super) fn shutdown(&self, phase: &PhasePlan, reason: &Reason) -> Shutdown {
        let finish = phase.finish.as_ref().map_or(self.finish, |(_, finish)| *finish);
        let mut shutdown = phase.registry.shutdown(finish).because(reason.clone());
        if let Some(grace) = self.grace {
            shutdown = shutdown.grace(grace);
        }
        match self.settle {
            Some(settle) => shutdown.settle(settle),
            None => shutdown,
        }
    }
}

impl Default for ShutdownPlan {
    fn default() -> Self {
        ShutdownPlan::new()
    }
}

impl fmt::Debug for ShutdownPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownPlan")
            .field("load_balancer_delay", &self.load_balancer_delay)
            .field("finish", &self.finish)
            .field("grace", &self.grace)
            .field("settle", &self.settle)
            .finish_non_exhaustive()
    }
}
