//! `Shutdown`: lets operations finish, cancels the ones that do not, waits for them, and reports.
//!
//! * `force`: cuts the grace periods short.
//! * `targets`: the operations that a shutdown cancels.
//! * `report`: which operations stopped.
//! * `plan` and `service`: the shutdown of a whole process.
//! * `phases`: the shutdown of several registries, one after the other.

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
pub use report::{PhaseReport, ServiceEnd, ShutdownReport};
pub use service::ShutdownWhen;

use super::Registry;
use super::inspect::{Children, inspect};
use super::member::{Member, Members, SHUTTING_DOWN, Shared, cancel_each};
use crate::clock;
use crate::panic::discard;
use crate::reason::Reason;
use crate::timer::Countdown;
use crate::wait::{Latch, Waiter, polled_after_completion};
use targets::shutdown_targets;

/// How long a shutdown waits by default for the operations that it has cancelled.
const GRACE: Duration = Duration::from_secs(5);

/// How long a shutdown waits by default for operations whose grace period it has cut short.
const SETTLE: Duration = Duration::from_secs(1);

impl Registry {
    /// Gives the operations up to `finish` to finish, cancels those that are left, and reports which of them did not stop.
    ///
    /// 1. **Close.** The registry is [closed](Self::close): new operations are refused, and
    ///    [`closing`](Self::closing) fires. Operations below a registered one are still accepted.
    /// 2. **Finish.** The operations continue, for at most `finish`. The shutdown ends as soon as the last one
    ///    has left, so the shutdown of an idle registry takes no time. [Daemons] are cancelled once the
    ///    other operations have left.
    /// 3. **Grace.** The operations that are left are cancelled for the reason `"shutting down"`, and get at most
    ///    [`grace`](Shutdown::grace) to stop. Operations with a grace period of their own use it, shields finish, and
    ///    clean-up runs. An operation inside the shield or clean-up of another one is protected too, and is not
    ///    cancelled. At the end of the grace, daemons are cancelled as well.
    /// 4. **Force.** The shutdown cuts the remaining grace periods short, as [`force`](Self::force) does. If this step has
    ///    cancelled anything or cut anything short, the shutdown waits a little longer: see [`settle`](Shutdown::settle).
    ///    Shields and clean-up are not interrupted.
    /// 5. **Report.** Operations that are still running are reported, and otherwise left alone. Their owners may drop them.
    ///
    /// To cancel at once, use `shutdown(Duration::ZERO)`.
    ///
    /// All of this begins at the first poll. This future does not poll the operations: their own tasks must do that. If an
    /// operation awaits the shutdown of its own registry, the shutdown waits for the whole of `finish` and then cancels that
    /// operation, so the report is lost. On an executor with one thread, work that does not yield also keeps this future
    /// from being polled. In that case, run the shutdown on another thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes nothing: the registry stays closed, and operations that were cancelled stay
    /// cancelled. A second call continues to wait for them, and cancels the daemons that are left.
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
    /// let request = smol::future::yield_now().cancelable(never()).named("request");
    /// let request = smol::spawn(request.registered_in(&registry));
    ///
    /// let report = registry.shutdown(Duration::from_secs(30)).await;
    /// assert!(report.is_clean());
    /// assert_eq!(request.await, Ok(()));
    /// # });
    /// ```
    pub fn shutdown(&self, finish: Duration) -> Shutdown {
        Shutdown {
            shared: self.shared.clone(),
            reason: SHUTTING_DOWN.into(),
            finish: Countdown::lasting(finish),
            grace: Countdown::lasting(GRACE),
            settle: Countdown::lasting(SETTLE),
            state: State::Idle,
        }
    }

    /// Cuts the grace periods of all operations short. Returns how many operations were in their grace period.
    ///
    /// An operation in its grace period is dropped at its next poll. An operation that is not cancelled yet continues, and
    /// will have no grace period when it is cancelled. Operations that are registered later keep their grace periods.
    /// Shields and clean-up are not interrupted.
    ///
    /// A [shutdown](Self::shutdown) that is waiting cancels the remaining operations and proceeds to its last step. A
    /// shutdown that begins later is not affected.
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
    finish: Countdown,
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
    step: Step,
    /// The operations that were registered when the shutdown began.
    asked: Members,
    drained: Waiter<Arc<Latch<()>>>,
    /// `None` once only daemons are left.
    regular_gone: Option<Waiter<Arc<Latch<()>>>>,
    forced: Waiter<Arc<Latch<()>>>,
    /// The number of grace periods that had been cut short before the shutdown began.
    cut_short_before: u64,
}

/// What a shutdown has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Closed the registry.
    Finishing,
    /// Cancelled the operations that are not daemons.
    CancelledRegular,
    /// Cancelled the daemons too.
    CancelledAll,
    /// Cut the grace periods short.
    Forced,
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
    /// let shutdown = registry.shutdown(Duration::ZERO).grace(Duration::ZERO).because(reason.clone());
    /// assert_eq!(shutdown.settle(Duration::ZERO).await.remaining.len(), 1);
    /// assert_eq!(work.await.unwrap_err().reason(), &reason);
    /// # });
    /// ```
    pub fn because(mut self, reason: impl Into<Reason>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Sets how long to wait for the operations that this shutdown has cancelled, before it cuts their grace periods
    /// short. The default is five seconds.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let work = std::future::pending::<()>().cancelable(never()).registered_in(&registry);
    /// let task = smol::spawn(work);
    /// let shutdown = registry.shutdown(Duration::from_millis(5)).grace(Duration::from_secs(60));
    /// assert!(shutdown.await.is_clean());
    /// assert_eq!(task.await, Err(Cancelled::new("shutting down")));
    /// # });
    /// ```
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = Countdown::lasting(limit);
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
        // Created first, so that the shutdown notices a call of `force` by user code that runs in this function.
        let forced = Waiter::new(self.shared.force.latch());
        let since = clock::now();
        // The members are listed before `closing` fires, so that operations which then finish at once are reported too.
        let asked = self.shared.members();
        self.shared.close(&self.reason);
        let members = &self.shared.members;
        Wait {
            since,
            step: Step::Finishing,
            asked,
            drained: Waiter::new(members.drained().clone()),
            regular_gone: Some(Waiter::new(members.regular_gone().clone())),
            forced,
            cut_short_before: self.shared.force.cut_short(),
        }
    }
}

impl Wait {
    /// Advances to a step that cancels operations. Returns whether there were any to cancel.
    fn cancel(&mut self, step: Step, shared: &Shared, reason: &Reason) -> bool {
        if self.step >= step {
            return false;
        }
        let has_asked_regular = self.step >= Step::CancelledRegular;
        self.step = step;
        let mut targets = shutdown_targets(&shared.members());
        targets.retain(|member| match step {
            Step::CancelledRegular => !member.is_daemon,
            _ => member.is_daemon || !has_asked_regular,
        });
        cancel_each(&targets, reason);
        let has_cancelled = !targets.is_empty();
        targets.into_iter().for_each(discard);
        has_cancelled
    }

    fn report(&mut self, shared: &Shared) -> ShutdownReport {
        let mut asked = std::mem::take(&mut self.asked);
        // Tasks of members may have been added since the members were listed.
        let id = |member: &Arc<Member>| member.operation.id();
        let mut tasks = shared.members();
        tasks.retain(|task| asked.binary_search_by_key(&id(task), id).is_err());
        asked.append(&mut tasks);
        asked.sort_unstable_by_key(id);
        let live = asked.iter().filter(|member| member.is_live());
        let children = Children::of(live.map(|member| &**member));
        let (mut stopped, mut remaining) = (Vec::new(), Vec::new());
        for member in asked.iter() {
            // Each member is checked only once, so it is in exactly one of the two lists.
            match member.record() {
                Some(record) => stopped.push(record),
                None => remaining.push(inspect(member, &children)),
            }
        }
        let cut_short = shared.force.cut_short() - self.cut_short_before;
        ShutdownReport {
            took: clock::now().saturating_duration_since(self.since),
            forced: self.step == Step::Forced,
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
        let shared = &this.shared;
        if let Some(gone) = &mut wait.regular_gone {
            if gone.poll("Shutdown", cx, |()| ()).is_ready() {
                wait.regular_gone = None;
                wait.cancel(Step::CancelledAll, shared, &this.reason);
            }
        }
        // Waiting for both latches at once would wake this task twice when the last operation leaves.
        let mut is_over =
            wait.regular_gone.is_none() && wait.drained.poll("Shutdown", cx, |()| ()).is_ready();
        if !is_over && wait.step < Step::Forced {
            let by_user = wait.forced.poll("Shutdown", cx, |()| ()).is_ready();
            let mut has_cancelled = false;
            let is_finishing = wait.step == Step::Finishing;
            if is_finishing && (by_user || this.finish.poll("Shutdown", cx).is_ready()) {
                has_cancelled = wait.cancel(Step::CancelledRegular, shared, &this.reason);
            }
            let is_finishing = wait.step == Step::Finishing;
            if by_user || !is_finishing && this.grace.poll("Shutdown", cx).is_ready() {
                has_cancelled |= wait.cancel(Step::CancelledAll, shared, &this.reason);
                wait.step = Step::Forced;
                let cut_short = force(shared);
                // Wait only if this step has cancelled or cut short something, or if user code has called `force`.
                is_over = !by_user && !has_cancelled && cut_short == 0;
            }
        }
        if !is_over && wait.step == Step::Forced {
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
            State::Waiting(wait) => match wait.step {
                Step::Finishing => "finishing",
                Step::CancelledRegular | Step::CancelledAll => "in grace",
                Step::Forced => "forced",
            },
            State::Done => "done",
        };
        f.debug_struct("Shutdown").field("state", &format_args!("{state}")).finish_non_exhaustive()
    }
}
