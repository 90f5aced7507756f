//! `ShutdownPlan`: how a service shuts down.

use std::fmt;
use std::time::Duration;

use super::Shutdown;
use super::phases::PhasePlan;
use crate::panic::contain;
use crate::reason::Reason;
use crate::signal_kind::Signal;
use crate::sync::Mutex;

/// The time that operations get to stop by default.
const GRACE: Duration = Duration::from_secs(30);

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
///     .drain(Duration::from_millis(10))
///     .grace(Duration::from_secs(20))
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
    drain: Duration,
    grace: Duration,
    settle: Option<Duration>,
    /// Never contended: the lock makes the plan `Sync`.
    on_request: Mutex<Vec<Hook>>,
}

impl ShutdownPlan {
    /// Creates a plan with no drain delay, and 30 seconds for the operations to stop.
    pub fn new() -> Self {
        ShutdownPlan {
            drain: Duration::ZERO,
            grace: GRACE,
            settle: None,
            on_request: Mutex::default(),
        }
    }

    /// Sets the drain delay. For that long, the service continues as usual, with the registry open. In the meantime,
    /// load balancers notice that the service is about to end.
    ///
    /// There is no delay after Ctrl-C (`SIGINT`), because a person is waiting. A second request ends the
    /// delay.
    pub fn drain(mut self, delay: Duration) -> Self {
        self.drain = delay;
        self
    }

    /// Sets how much time operations get to stop. See [`shutdown`](crate::Registry::shutdown).
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how long to wait for operations whose grace period was cut short. See
    /// [`settle`](Shutdown::settle).
    pub fn settle(mut self, limit: Duration) -> Self {
        self.settle = Some(limit);
        self
    }

    /// Adds a hook that is called at the request, before the drain delay. Use it to make the readiness
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
            // The panic has been printed; no caller could do more about it.
            let _ = contain(|| hook(reason));
        }
    }

    /// Returns the drain delay after a request for this reason.
    pub(super) fn delay(&self, reason: &Reason) -> Duration {
        let is_ctrl_c = matches!(reason.root(), Reason::Signal { signal: Signal::Int });
        if is_ctrl_c { Duration::ZERO } else { self.drain }
    }

    pub(super) fn shutdown(&self, phase: &PhasePlan, reason: &Reason) -> Shutdown {
        let grace = phase.budget.as_ref().map_or(self.grace, |(_, budget)| *budget);
        let shutdown = phase.registry.shutdown(grace).because(reason.clone());
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
            .field("drain", &self.drain)
            .field("grace", &self.grace)
            .field("settle", &self.settle)
            .finish_non_exhaustive()
    }
}
