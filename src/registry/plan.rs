//! `ShutdownPlan`: how a service ends.

use std::fmt;
use std::time::Duration;

use super::{Registry, Shutdown};
use crate::panic::contain;
use crate::sync::Mutex;
use crate::{Reason, Signal};

/// How long operations have if nothing else is asked for.
const GRACE: Duration = Duration::from_secs(30);

type Hook = Box<dyn FnOnce(&Reason) + Send>;

/// How a service ends.
///
/// # Examples
///
/// ```
/// use cancelable::registry::ShutdownPlan;
/// use std::time::Duration;
///
/// let plan = ShutdownPlan::new()
///     .drain(Duration::from_secs(5))
///     .grace(Duration::from_secs(20))
///     .on_request(|reason| eprintln!("{reason}: not ready any more"));
/// # drop(plan);
/// ```
#[must_use = "a plan does nothing by itself"]
pub struct ShutdownPlan {
    drain: Duration,
    grace: Duration,
    settle: Option<Duration>,
    /// The lock is never contended: it makes this `Sync`.
    on_request: Mutex<Vec<Hook>>,
}

impl ShutdownPlan {
    /// No drain delay, and 30 seconds for the operations.
    ///
    /// ```
    /// let plan = cancelable::registry::ShutdownPlan::new();
    /// # drop(plan);
    /// ```
    pub fn new() -> Self {
        ShutdownPlan {
            drain: Duration::ZERO,
            grace: GRACE,
            settle: None,
            on_request: Mutex::default(),
        }
    }

    /// Goes on as usual for so long once it is asked to end, and only then shuts down: the time in
    /// which load balancers learn that no more requests are to come here. The intake stays open.
    ///
    /// Left out after Ctrl-C (`SIGINT`), behind which is a person who waits, and once a second
    /// request comes.
    ///
    /// ```
    /// use std::time::Duration;
    /// let plan = cancelable::registry::ShutdownPlan::new().drain(Duration::from_secs(5));
    /// # drop(plan);
    /// ```
    pub fn drain(mut self, delay: Duration) -> Self {
        self.drain = delay;
        self
    }

    /// How long operations have to stop. See [`shutdown`](Registry::shutdown).
    ///
    /// ```
    /// use std::time::Duration;
    /// let plan = cancelable::registry::ShutdownPlan::new().grace(Duration::from_secs(20));
    /// # drop(plan);
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long those have whose grace period was cut short. See [`settle`](Shutdown::settle).
    ///
    /// ```
    /// use std::time::Duration;
    /// let plan = cancelable::registry::ShutdownPlan::new().settle(Duration::from_millis(200));
    /// # drop(plan);
    /// ```
    pub fn settle(mut self, limit: Duration) -> Self {
        self.settle = Some(limit);
        self
    }

    /// Calls `hook` when it is asked to end, before the drain delay: the place to let the readiness
    /// check fail. A panic of it harms nobody.
    ///
    /// ```
    /// let plan = cancelable::registry::ShutdownPlan::new().on_request(|reason| eprintln!("{reason}"));
    /// # drop(plan);
    /// ```
    pub fn on_request(self, hook: impl FnOnce(&Reason) + Send + 'static) -> Self {
        self.on_request.lock().push(Box::new(hook));
        self
    }
}

impl ShutdownPlan {
    /// Calls the hooks.
    pub(super) fn tell(&self, reason: &Reason) {
        let hooks = std::mem::take(&mut *self.on_request.lock());
        for hook in hooks {
            // Its panic has been printed, and there is nobody else to tell.
            let _ = contain(|| hook(reason));
        }
    }

    /// How long it goes on as usual, where it is asked for that reason.
    pub(super) fn delay(&self, reason: &Reason) -> Duration {
        let person_waits = matches!(reason.root(), Reason::Signal { signal: Signal::Int });
        if person_waits { Duration::ZERO } else { self.drain }
    }

    pub(super) fn shutdown(&self, registry: &Registry, reason: &Reason) -> Shutdown {
        let shutdown = registry.shutdown(self.grace).because(reason.clone());
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
