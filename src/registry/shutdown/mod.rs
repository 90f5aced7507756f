//! `Shutdown`: asks all operations to stop, waits for them, and reports.
//!
//! * `force`: cuts the grace periods short.
//! * `targets`: the operations that a shutdown asks.
//! * `report`: which of them stopped.
//! * `plan` and `service`: the shutdown of a whole process.
//! * `phases`: the same for several registries, one after the other.

mod force;
mod phases;
mod plan;
mod report;
mod service;
mod targets;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::FusedFuture;

pub(super) use force::Force;
pub use phases::ShutdownPhases;
pub use plan::ShutdownPlan;
pub use report::{PhaseReport, ShutdownReport};
pub use service::{ServiceEnd, ShutdownWhen};

use super::Registry;
use super::inspect::{Children, inspect};
use super::member::{Member, Members, SHUTTING_DOWN, Shared, cancel_each};
use crate::clock;
use crate::reason::Reason;
use crate::timer::Countdown;
use crate::wait::{Latch, Waiter, polled_after_completion};
use targets::shutdown_targets;

/// How long a shutdown waits by default for operations whose grace period it has cut short.
const SETTLE: Duration = Duration::from_secs(1);

impl Registry {
    /// Stops all operations, and reports which of them did not stop.
    ///
    /// 1. The registry is [closed](Self::close): new operations are refused.
    /// 2. All operations are cancelled for the reason `"shutting down"`. Those with a grace period of
    ///    their own use it, shields are finished, clean-up runs. An operation inside the shield
    ///    or clean-up of another is protected with it, and is not cancelled.
    /// 3. It waits until all operations have left, but at most for `grace`. [Daemons] are cancelled once the
    ///    other operations have left, or when `grace` is over.
    /// 4. Then it cuts the remaining grace periods short, as [`force`](Self::force) does. If there were
    ///    any, it waits a little longer: see [`settle`](Shutdown::settle). Shields and clean-up are not
    ///    interrupted.
    /// 5. It reports. Operations still running are left alone; dropping them is their owner's job.
    ///
    /// All of this begins at the first poll. This future does not poll the operations: their own tasks
    /// must do that. An operation that awaits the shutdown of its own registry is cancelled by it, and
    /// the report is lost. On an executor with one thread, work that does not yield also keeps this
    /// future from being polled. In that case, run the shutdown on another thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes nothing: the registry stays closed, and the operations stay cancelled.
    /// A second call continues to wait for them, and cancels the daemons that are left.
    ///
    /// [Daemons]: crate::Cancelable::daemon_in
    ///
    /// # Panics
    ///
    /// Panics if polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let work = std::future::pending::<()>().cancelable(never()).named("work");
    /// let task = smol::spawn(work.registered_in(&registry));
    ///
    /// let report = registry.shutdown(Duration::from_secs(30)).await;
    /// assert!(report.is_clean());
    /// assert_eq!(report.stopped.len(), 1);
    /// assert_eq!(task.await, Err(Cancelled::new("shutting down")));
    /// # });
    /// ```
    pub fn shutdown(&self, grace: Duration) -> Shutdown {
        Shutdown {
            shared: self.shared.clone(),
            reason: SHUTTING_DOWN.into(),
            grace: Countdown::lasting(grace),
            settle: Countdown::lasting(SETTLE),
            state: State::Idle,
        }
    }

    /// Cuts the grace periods of all operations short, and returns how many were in one.
    ///
    /// An operation in its grace period is dropped at its next poll. One that is not cancelled continues, and
    /// will have no grace period when it is cancelled. Operations that are registered later keep
    /// theirs. Shields and clean-up are not interrupted.
    ///
    /// A [shutdown](Self::shutdown) that is waiting proceeds to its last step. A shutdown that begins later
    /// is not affected.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Phase;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let deaf = std::future::pending::<()>().cancelable(timeout(Duration::from_millis(1)));
    /// let task = smol::spawn(deaf.grace(Duration::from_secs(600)).registered_in(&registry));
    /// while registry.inspect(Filter::all())[0].phase != Phase::Grace {
    ///     smol::future::yield_now().await;
    /// }
    /// assert_eq!(registry.force(), 1);
    /// assert!(task.await.unwrap_err().was_forced());
    /// # });
    /// ```
    pub fn force(&self) -> usize {
        let cut_short = force(&self.shared);
        self.shared.force.send();
        cut_short
    }
}

fn force(shared: &Shared) -> usize {
    let members = shared.members();
    let cut_short = members.iter().filter(|member| member.operation.force()).count();
    shared.force.add_cut_short(cut_short);
    cut_short
}

/// Future of [`Registry::shutdown`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Shutdown {
    shared: Arc<Shared>,
    reason: Reason,
    grace: Countdown,
    settle: Countdown,
    state: State,
}

enum State {
    Idle,
    Waiting(Box<Wait>),
    Done,
}

struct Wait {
    since: Instant,
    /// `None` once the daemons have been cancelled, or if there are none. Dropped before `asked`, which
    /// contains their destructors.
    daemons: Option<Daemons>,
    /// The operations that were registered when it began.
    asked: Members,
    drained: Waiter<Arc<Latch<()>>>,
    /// `None` once the grace periods have been cut short.
    forced: Option<Waiter<Arc<Latch<()>>>>,
    /// The number of grace periods that had been cut short before.
    cut_short_before: u64,
}

/// Daemons that have not been cancelled.
struct Daemons {
    targets: Vec<Arc<Member>>,
    /// Waits until the other operations have left.
    regular_gone: Waiter<Arc<Latch<()>>>,
}

impl Shutdown {
    /// Cancels the operations for this reason instead of `"shutting down"`.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let work = std::future::pending::<()>().cancelable(never()).registered_in(&registry);
    /// let reason = Reason::signal(Signal::Term);
    /// let shutdown = registry.shutdown(Duration::ZERO).because(reason.clone());
    /// assert_eq!(shutdown.await.remaining.len(), 1);
    /// assert_eq!(work.await.unwrap_err().reason(), &reason);
    /// # });
    /// ```
    pub fn because(mut self, reason: impl Into<Reason>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Sets how long to wait for operations whose grace period was cut short. The default is one second.
    ///
    /// ```
    /// use cancelable::Registry;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let shutdown = Registry::new().shutdown(Duration::from_secs(30));
    /// assert!(shutdown.settle(Duration::from_millis(100)).await.is_clean());
    /// # });
    /// ```
    pub fn settle(mut self, limit: Duration) -> Self {
        self.settle = Countdown::lasting(limit);
        self
    }

    /// Begins the shutdown, unless it has begun.
    fn start(&mut self) {
        if let State::Idle = self.state {
            self.state = State::Waiting(Box::new(self.begin()));
        }
    }

    fn begin(&self) -> Wait {
        // Created before the cancellation, so that it notices a call of `force` during the cancellation.
        let forced = Waiter::new(self.shared.force.latch());
        let since = clock::now();
        self.shared.close();
        let asked = self.shared.members();
        let targets = shutdown_targets(&asked);
        let (daemons, regular): (Vec<_>, Vec<_>) =
            targets.into_iter().partition(|member| member.is_daemon);
        cancel_each(&regular, &self.reason);
        let members = &self.shared.members;
        let daemons = (!daemons.is_empty()).then(|| Daemons {
            targets: daemons,
            regular_gone: Waiter::new(members.regular_gone().clone()),
        });
        Wait {
            since,
            daemons,
            asked,
            drained: Waiter::new(members.drained().clone()),
            forced: Some(forced),
            cut_short_before: self.shared.force.cut_short(),
        }
    }
}

impl Wait {
    /// Cancels the daemons, unless they have been cancelled. Returns whether it did.
    fn cancel_daemons(&mut self, reason: &Reason) -> bool {
        let Some(daemons) = self.daemons.take() else { return false };
        cancel_each(&daemons.targets, reason);
        true
    }

    fn report(&mut self, shared: &Shared) -> ShutdownReport {
        let mut asked = std::mem::take(&mut self.asked);
        // Tasks of members may have come since.
        let id = |member: &Arc<Member>| member.operation.id();
        let mut tasks = shared.members();
        tasks.retain(|task| asked.binary_search_by_key(&id(task), id).is_err());
        asked.append(&mut tasks);
        asked.sort_unstable_by_key(id);
        let live = asked.iter().filter(|member| member.is_live());
        let children = Children::of(live.map(|member| &**member));
        let (mut stopped, mut remaining) = (Vec::new(), Vec::new());
        for member in asked.iter() {
            // Each member is checked only once: a member that has left does not come back.
            match member.record() {
                Some(record) => stopped.push(record),
                None => remaining.push(inspect(member, &children)),
            }
        }
        let cut_short = shared.force.cut_short() - self.cut_short_before;
        ShutdownReport {
            took: clock::now().saturating_duration_since(self.since),
            forced: self.forced.is_none(),
            cut_short: usize::try_from(cut_short).unwrap_or(usize::MAX),
            stopped,
            remaining,
            phases: Vec::new(),
        }
    }
}

impl Future for Shutdown {
    type Output = ShutdownReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ShutdownReport> {
        let this = &mut *self;
        this.start();
        let State::Waiting(wait) = &mut this.state else { polled_after_completion("Shutdown") };
        if let Some(daemons) = &mut wait.daemons {
            if daemons.regular_gone.poll("Shutdown", cx, |()| ()).is_ready() {
                wait.cancel_daemons(&this.reason);
            }
        }
        let mut is_over = wait.drained.poll("Shutdown", cx, |()| ()).is_ready();
        if let (false, Some(forced)) = (is_over, &mut wait.forced) {
            let by_user = forced.poll("Shutdown", cx, |()| ()).is_ready();
            if by_user || this.grace.poll("Shutdown", cx).is_ready() {
                wait.forced = None;
                let has_cancelled = wait.cancel_daemons(&this.reason);
                let cut_short = force(&this.shared);
                // If neither this shutdown nor the user has cut a grace period short, there is nothing to wait for.
                is_over = !by_user && !has_cancelled && cut_short == 0;
            }
        }
        if !is_over && wait.forced.is_none() {
            is_over = this.settle.poll("Shutdown", cx).is_ready();
        }
        if !is_over {
            return Poll::Pending;
        }
        let report = wait.report(&this.shared);
        this.state = State::Done;
        Poll::Ready(report)
    }
}

impl FusedFuture for Shutdown {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Idle => "not polled",
            State::Waiting(wait) if wait.forced.is_some() => "waiting",
            State::Waiting(_) => "forcing",
            State::Done => "done",
        };
        f.debug_struct("Shutdown").field("state", &format_args!("{state}")).finish_non_exhaustive()
    }
}
