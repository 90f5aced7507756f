//! `shield`: a section that finishes before a cancellation is honoured.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
#[cfg(feature = "time")]
use std::time::Duration;

use futures::future::FusedFuture;
use pin_project::{pin_project, pinned_drop};

use crate::Text;
use crate::frame::dropping;
#[cfg(feature = "time")]
use crate::poll_context::ignore_limits;
use crate::poll_context::{DropCheck, InShield, Protection, register_shield};
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::wait::polled_after_completion;

/// A section that is finished before a cancellation is honoured.
///
/// Every [`Cancelable`](crate::Cancelable) around it waits for its end. When it ends and a
/// cancellation waits, the code after it does not run: the work is dropped there. A shield that is
/// first polled when a cancellation waits already is not begun.
///
/// Shields nest. Several at once, in a `join!` for instance, are all waited for. It guards against
/// this crate, not against a plain drop, an abort or a runtime that shuts down.
///
/// # Cancel safety
///
/// Dropping it drops the section, as with any future.
///
/// # Panics
///
/// When polled after completion. A panic of the section goes through.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::cell::Cell;
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// let (saved, went_on) = (Cell::new(false), Cell::new(false));
/// let work = async {
///     shield(async {
///         token.cancel();
///         smol::future::yield_now().await;
///         saved.set(true);
///     })
///     .await;
///     went_on.set(true);
/// };
/// assert!(work.cancelable(&token).await.is_err());
/// assert!(saved.get() && !went_on.get());
/// # });
/// ```
pub fn shield<F: IntoFuture>(section: F) -> Shield<F::IntoFuture> {
    Shield {
        section: Some(section.into_future()),
        value: None,
        state: State::Idle,
        drop_check: DropCheck::default(),
        name: None,
        #[cfg(feature = "time")]
        limit: None,
    }
}

/// A [`shield`] that protects for so long at most, counted from its first poll.
///
/// When the limit passes the section goes on, but is protected no longer: neither it nor a shield
/// within it. A limit of zero protects from nothing.
///
/// # Cancel safety
///
/// Dropping it drops the section, as with any future.
///
/// # Panics
///
/// As for [`shield`].
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let stuck = shield_for(Duration::from_millis(5), std::future::pending::<()>());
/// let cancelled = stuck.cancelable(timeout(Duration::from_millis(1))).await.unwrap_err();
/// assert!(cancelled.is_timeout());
/// # });
/// ```
#[cfg(feature = "time")]
pub fn shield_for<F: IntoFuture>(limit: Duration, section: F) -> Shield<F::IntoFuture> {
    let mut shield = shield(section);
    shield.limit = Some(Countdown::lasting(limit));
    shield
}

/// Future of [`shield`] and [`shield_for`].
#[pin_project(PinnedDrop)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Shield<F: Future> {
    /// `None` once it has ended.
    #[pin]
    section: Option<F>,
    /// What the section returned, where a race was to drop it.
    value: Option<F::Output>,
    state: State,
    drop_check: DropCheck,
    name: Option<Text>,
    #[cfg(feature = "time")]
    limit: Option<Countdown>,
}

impl<F: Future> Shield<F> {
    /// Names the section, for the report of a [shutdown](crate::Registry::shutdown) that has to wait
    /// for it. An empty name is none, and after the first poll it is too late.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// assert_eq!(shield(async { 7 }).named("flush").await, 7);
    /// # });
    /// ```
    pub fn named(mut self, name: impl Into<Text>) -> Self {
        self.name = Some(name.into()).filter(|name| !name.is_empty());
        self
    }
}

enum State {
    Idle,
    /// The races around it know of it.
    Protecting(Arc<Protection>),
    /// The limit has passed.
    #[cfg(feature = "time")]
    Open,
    /// It stays pending: a race around it drops it before long. Where the race had only been lent
    /// its work, it goes on afterwards.
    Stopped,
    Done,
}

/// A section that has panicked is waited for no longer, also where the shield is kept.
struct EndOnPanic<'a>(&'a Protection);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if matches!(this.state, State::Stopped) && !this.drop_check.expects_drop(cx) {
            if let Some(value) = this.value.take() {
                *this.state = State::Done;
                return Poll::Ready(value);
            }
            *this.state = State::Idle;
            #[cfg(feature = "time")]
            if this.limit.as_ref().is_some_and(Countdown::is_done) {
                *this.state = State::Open;
            }
        }
        if let State::Idle = this.state {
            // What has not begun is not begun any more if a cancellation waits.
            *this.state = if this.drop_check.expects_drop(cx) {
                State::Stopped
            } else {
                // It is part of no work that is about to be dropped.
                State::Protecting(register_shield(this.name.as_ref(), dropping()))
            };
        }
        #[cfg(feature = "time")]
        if let State::Protecting(protection) = &*this.state {
            let over = this.limit.as_mut().is_some_and(|limit| {
                // It is no limit of the operation in whose source this may be.
                ignore_limits(|| limit.poll("Shield", cx)).is_ready()
            });
            if over {
                protection.end();
                let stopped = protection.is_awaited() && this.drop_check.expects_drop(cx);
                *this.state = if stopped { State::Stopped } else { State::Open };
            }
        }
        if let State::Stopped = this.state {
            return Poll::Pending;
        }
        let Some(section) = this.section.as_mut().as_pin_mut() else {
            polled_after_completion("Shield")
        };
        let value = match &*this.state {
            State::Protecting(protection) => {
                let _inside = InShield::enter();
                let panicking = EndOnPanic(protection);
                let value = section.poll(cx);
                std::mem::forget(panicking);
                value
            }
            _ => section.poll(cx),
        };
        let Poll::Ready(value) = value else { return Poll::Pending };
        this.section.set(None);
        let state = std::mem::replace(this.state, State::Done);
        if let State::Protecting(protection) = state {
            protection.end();
            if protection.is_awaited() && this.drop_check.expects_drop(cx) {
                // The races around it see that it has ended, and drop the work here.
                *this.state = State::Stopped;
                *this.value = Some(value);
                return Poll::Pending;
            }
        }
        Poll::Ready(value)
    }
}

impl<F: Future> FusedFuture for Shield<F> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

/// A section that is dropped is waited for no longer.
#[pinned_drop]
impl<F: Future> PinnedDrop for Shield<F> {
    fn drop(self: Pin<&mut Self>) {
        if let State::Protecting(protection) = self.project().state {
            protection.end();
        }
    }
}

impl<F: Future> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "not polled",
            State::Protecting(_) => "protecting",
            #[cfg(feature = "time")]
            State::Open => "past its limit",
            State::Stopped => "stopped",
            State::Done => "done",
        };
        f.debug_struct("Shield").field("state", &format_args!("{state}")).finish()
    }
}
