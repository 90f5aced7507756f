//! `shield`: a section that finishes before a cancellation takes effect.

mod or_spawn;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
#[cfg(feature = "time")]
use std::time::Duration;

use futures::future::FusedFuture;
use pin_project::{pin_project, pinned_drop};

#[cfg(feature = "time")]
use crate::frame::InLimitedSection;
use crate::frame::dropping;
use crate::poll_context::{DropCheck, InShield, Protection, register_shield};
use crate::text::Text;
#[cfg(feature = "time")]
use crate::timer::SectionLimit;
use crate::wait::polled_after_completion;
pub use or_spawn::ShieldOrSpawn;

/// Finishes a section before a cancellation takes effect.
///
/// Use it for a few steps that must not be separated, such as writing a file and renaming it. Every
/// [`Cancelable`](crate::Cancelable) around the section waits for the section to end. If a cancellation is waiting when the
/// section ends, the code after the section does not run: the work is dropped at that point. If the cancellation comes
/// before the section has started, the section does not start.
///
/// Shields nest. If several sections run at once, as in a `join!`, a cancellation waits for all of them. A shield protects
/// against cancellation by this crate. It does not protect against a plain drop, `abort()`, or a runtime that shuts down:
/// see [`or_spawn`](Shield::or_spawn).
///
/// # Cancel safety
///
/// Dropping the shield drops the section.
///
/// # Panics
///
/// Panics if polled after completion. A panic of the section propagates.
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
        state: State::NotPolled,
        drop_check: DropCheck::default(),
        name: None,
        #[cfg(feature = "time")]
        limit: None,
    }
}

/// Finishes a section before a cancellation takes effect, like [`shield`], but protects the section for at most `limit`.
///
/// Use it if the section waits for something that may never happen. The time is counted from the first poll. When the
/// time is over, the section continues without protection, and so do the shields inside it. A limit of zero protects
/// nothing.
///
/// # Cancel safety
///
/// Dropping the shield drops the section.
///
/// # Panics
///
/// Panics if polled after completion. A panic of the section propagates.
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
    shield.limit = Some(SectionLimit::lasting(limit));
    shield
}

/// The future of [`shield`] and [`shield_for`].
#[pin_project(PinnedDrop)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Shield<F: Future> {
    /// `None` once the section has ended.
    #[pin]
    section: Option<F>,
    /// The value of the section, if the shield stays pending because a race is about to drop the shield.
    value: Option<F::Output>,
    state: State,
    drop_check: DropCheck,
    name: Option<Text>,
    #[cfg(feature = "time")]
    limit: Option<SectionLimit>,
}

impl<F: Future> Shield<F> {
    /// Names the section. If a [shutdown](crate::Registry::shutdown) has to wait for the section, the report of the shutdown
    /// shows the name.
    ///
    /// Call this before the first poll. An empty name is ignored.
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
    NotPolled,
    /// The races around the section wait for the section to end.
    Protecting(Arc<Protection>),
    /// The limit has passed.
    #[cfg(feature = "time")]
    PastLimit,
    /// The shield stays pending because a race is about to drop it. If that race has only borrowed its work, the shield is
    /// not dropped, and continues after the race.
    Stopped,
    Done,
}

/// Ends the protection if the section panics, even if the shield is not dropped.
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
        // The race that was about to drop this shield has ended without dropping it, because the race had only borrowed its
        // work.
        if matches!(this.state, State::Stopped) && !this.drop_check.expects_drop(cx) {
            if let Some(value) = this.value.take() {
                *this.state = State::Done;
                return Poll::Ready(value);
            }
            *this.state = State::NotPolled;
            #[cfg(feature = "time")]
            if this.limit.as_ref().is_some_and(SectionLimit::is_done) {
                *this.state = State::PastLimit;
            }
        }
        if let State::NotPolled = this.state {
            *this.state = if this.drop_check.expects_drop(cx) {
                State::Stopped
            } else {
                // If a race is about to drop its work now, this shield is not part of that work, so the race must not wait
                // for this shield.
                State::Protecting(register_shield(this.name.as_ref(), dropping()))
            };
        }
        #[cfg(feature = "time")]
        if let State::Protecting(protection) = &*this.state {
            let passed = this.limit.as_mut().is_some_and(|limit| limit.poll("Shield", cx));
            if passed {
                protection.end();
                let stops = protection.is_awaited() && this.drop_check.expects_drop(cx);
                *this.state = if stops { State::Stopped } else { State::PastLimit };
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
                #[cfg(feature = "time")]
                let _limited =
                    this.limit.as_mut().map(|limit| InLimitedSection::enter(limit.start()));
                let panicking = EndOnPanic(protection);
                let value = section.poll(cx);
                std::mem::forget(panicking);
                value
            }
            _ => section.poll(cx),
        };
        let Poll::Ready(value) = value else { return Poll::Pending };
        // The section is dropped while the races still wait, so its destructor is protected too.
        this.section.set(None);
        let state = std::mem::replace(this.state, State::Done);
        if let State::Protecting(protection) = state {
            // End the protection first, and check for waiting races afterwards. If a race begins to wait in between, the
            // race sees that the section has ended.
            protection.end();
            if protection.is_awaited() && this.drop_check.expects_drop(cx) {
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
            State::NotPolled => "not polled",
            State::Protecting(_) => "protecting",
            #[cfg(feature = "time")]
            State::PastLimit => "past its limit",
            State::Stopped => "stopped",
            State::Done => "done",
        };
        f.debug_struct("Shield").field("state", &format_args!("{state}")).finish()
    }
}
