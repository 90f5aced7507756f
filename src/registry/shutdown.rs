//! `shutdown`: everyone is asked to stop, then waited for, then reported.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::FusedFuture;

use super::inspect::{Children, inspect};
use super::member::{Member, SHUTTING_DOWN, cancel_each};
use super::shared::Shared;
use super::unprotected::unprotected;
use super::{Registry, ShutdownReport};
use crate::timer::Countdown;
use crate::wait::{Latch, Waiter, polled_after_completion};
use crate::{Reason, clock};

/// How long those whose grace period was cut short are waited for, if nothing else is asked for.
const SETTLE: Duration = Duration::from_secs(1);

impl Registry {
    /// Stops everyone, and tells who did not stop.
    ///
    /// 1. The intake is [closed](Self::close): operations that come now are refused.
    /// 2. Everyone is cancelled softly, for the reason `"shutting down"`: their tokens fire. Those
    ///    with a grace period of their own use it, shields are finished, clean-up runs. An operation
    ///    within a shield or within the clean-up of another is part of what is protected, and is let
    ///    alone.
    /// 3. It waits until everyone has left, but for `grace` at most.
    /// 4. Then it [forces](Self::force): grace periods are cut short. Where there were any, it waits
    ///    a little more, see [`settle`](Shutdown::settle). Shields and clean-up are not broken.
    /// 5. It reports. Those that remain are let alone: to drop them is up to who owns them.
    ///
    /// All of this begins at the first poll. The operations have to be polled meanwhile, by whoever
    /// polls them: this future does not. An operation that awaits it is one of those that it stops: the
    /// report is lost with it. On an executor with one thread, a body that does not yield
    /// keeps this future from being polled as well. Run it on another thread then.
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes nothing back: the intake stays closed, and those who were asked were asked.
    /// Another call goes on waiting.
    ///
    /// # Panics
    ///
    /// When polled after completion.
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
            registry: self.clone(),
            reason: SHUTTING_DOWN.into(),
            grace: Countdown::lasting(grace),
            settle: Countdown::lasting(SETTLE),
            state: State::Idle,
        }
    }

    /// Cuts the grace periods of all operations short, those that have not begun included: what is
    /// asked to stop is dropped at its next poll. Tells how many were in one. A
    /// [shutdown](Self::shutdown) that waits goes on to its end; one that begins later has its time.
    /// Shields and clean-up are not broken.
    ///
    /// Operations that are not asked to stop go on. Those that enter later have their grace period.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::{Filter, Phase};
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
        let cut_short = force(self.shared());
        self.shared().insist();
        cut_short
    }
}

fn force(shared: &Shared) -> usize {
    let members = shared.members.all();
    let cut_short = members.iter().filter(|member| member.operation.force()).count();
    shared.note_cut_short(cut_short);
    cut_short
}

/// Future of [`Registry::shutdown`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Shutdown {
    registry: Registry,
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
    /// Those who were asked.
    asked: Vec<Arc<Member>>,
    emptied: Waiter<Arc<Latch<()>>>,
    /// `None` once it has come to force.
    forced: Option<Waiter<Arc<Latch<()>>>>,
    /// How many grace periods had been cut short before.
    cut_short_before: u64,
}

impl Shutdown {
    /// Cancels for that reason, instead of `"shutting down"`.
    ///
    /// ```
    /// use cancelable::{Reason, Registry, Signal};
    /// use std::time::Duration;
    ///
    /// let reason = Reason::signal(Signal::Term);
    /// let shutdown = Registry::new().shutdown(Duration::from_secs(30)).because(reason);
    /// # drop(shutdown);
    /// ```
    pub fn because(mut self, reason: impl Into<Reason>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Waits for so long for those whose grace period was cut short: one second if this is not
    /// asked for.
    ///
    /// ```
    /// use cancelable::Registry;
    /// use std::time::Duration;
    ///
    /// let shutdown = Registry::new().shutdown(Duration::from_secs(30));
    /// let shutdown = shutdown.settle(Duration::from_millis(100));
    /// # drop(shutdown);
    /// ```
    pub fn settle(mut self, limit: Duration) -> Self {
        self.settle = Countdown::lasting(limit);
        self
    }

    /// Begins, if it has not begun.
    pub(super) fn start(&mut self) {
        if let State::Idle = self.state {
            self.state = State::Waiting(Box::new(self.begin()));
        }
    }

    fn begin(&self) -> Wait {
        let shared = self.registry.shared();
        // First, so that whoever insists while it asks them is heard.
        let forced = Waiter::new(shared.forced());
        let since = clock::now();
        self.registry.close();
        let asked = shared.members.all();
        cancel_each(shared, &unprotected(&asked), &self.reason);
        Wait {
            since,
            asked,
            emptied: Waiter::new(shared.members.emptied().clone()),
            forced: Some(forced),
            cut_short_before: shared.cut_short(),
        }
    }
}

impl Wait {
    fn report(&mut self, registry: &Registry) -> ShutdownReport {
        let asked = std::mem::take(&mut self.asked);
        let live = asked.iter().filter(|member| member.is_live());
        let children = Children::of(live.map(|member| &**member));
        let (mut stopped, mut remaining) = (Vec::new(), Vec::new());
        // Whoever has left stays so: each is in one of the two.
        for member in &asked {
            match member.record() {
                Some(record) => stopped.push(record),
                None => remaining.push(inspect(member, &children)),
            }
        }
        let cut_short = registry.shared().cut_short() - self.cut_short_before;
        ShutdownReport {
            took: clock::now().saturating_duration_since(self.since),
            forced: self.forced.is_none(),
            cut_short: usize::try_from(cut_short).unwrap_or(usize::MAX),
            stopped,
            remaining,
        }
    }
}

impl Future for Shutdown {
    type Output = ShutdownReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ShutdownReport> {
        let this = &mut *self;
        this.start();
        let wait = match &mut this.state {
            State::Waiting(wait) => wait,
            State::Idle | State::Done => polled_after_completion("Shutdown"),
        };
        let mut over = wait.emptied.poll("Shutdown", cx, |()| ()).is_ready();
        if let (false, Some(forced)) = (over, &mut wait.forced) {
            let insisted = forced.poll("Shutdown", cx, |()| ()).is_ready();
            if insisted || this.grace.poll("Shutdown", cx).is_ready() {
                wait.forced = None;
                let cut_short = force(this.registry.shared());
                // Where nobody insisted before, nothing was done that would make anyone stop.
                over = !insisted && cut_short == 0;
            }
        }
        if !over && wait.forced.is_none() {
            // Those that were dropped by it may have left by now.
            over = this.settle.poll("Shutdown", cx).is_ready();
        }
        if !over {
            return Poll::Pending;
        }
        let report = wait.report(&this.registry);
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
