//! `ShieldOrSpawn`: a shielded section that a spawner takes over if its future is dropped.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use pin_project::{pin_project, pinned_drop};

use super::{Shield, State};
use crate::poll_context::DropCheck;
use crate::spawner::{Spawner, hand_over};

impl<F: Future + Send + 'static> Shield<F> {
    /// Hands the rest of the section to `spawn` if the shield is dropped in the middle of the section.
    ///
    /// Use this if the section must also survive a plain drop, for instance by a `select!`, by `abort()`, or because a
    /// client hangs up. A shield alone does not protect against these. With [`shield_for`](crate::shield_for), a
    /// cancellation still waits at most `limit` for the section. After that, the section continues in the background.
    ///
    /// Call this before the first poll. A section that has not started or that has panicked is not handed over. If a section
    /// is handed over, its value is dropped. If `spawn` panics, the panic does not propagate.
    ///
    /// The section may move to another task, so it must be `'static`. After the handover,
    /// [`Operation::current`](crate::Operation::current) is `None` in the section, unless `spawn` uses
    /// [`in_scope`](crate::Operation::in_scope).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the section runs to its end, as long as the executor behind `spawn` runs.
    ///
    /// # Panics
    ///
    /// Panics if polled after completion. A panic of the section propagates.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::sync::mpsc::channel;
    ///
    /// # smol::block_on(async {
    /// let (sender, receiver) = channel();
    /// let section = async move {
    ///     smol::future::yield_now().await;
    ///     sender.send("committed").unwrap();
    /// };
    /// let mut saving = Box::pin(shield(section).or_spawn(|rest| smol::spawn(rest).detach()));
    /// assert!(futures::poll!(saving.as_mut()).is_pending());
    /// drop(saving);
    /// assert_eq!(receiver.recv(), Ok("committed"));
    /// # });
    /// ```
    pub fn or_spawn<P: Spawner>(mut self, spawn: P) -> ShieldOrSpawn<F, P> {
        let movable = |section| Movable { section: Some(Box::pin(section)), started: false };
        let shield = Shield {
            section: self.section.take().map(movable),
            value: None,
            state: State::NotPolled,
            drop_check: DropCheck::default(),
            name: self.name.take(),
            #[cfg(feature = "time")]
            limit: self.limit.take(),
        };
        ShieldOrSpawn { shield, spawner: Some(spawn) }
    }
}

/// The future of [`Shield::or_spawn`].
#[pin_project(PinnedDrop)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ShieldOrSpawn<F: Future + Send + 'static, P: Spawner> {
    #[pin]
    shield: Shield<Movable<F>>,
    spawner: Option<P>,
}

/// A section that can be moved to another task.
struct Movable<F> {
    /// The section, taken out for each poll. If the poll panics, the field stays `None`, so a section that has panicked
    /// is never handed over.
    section: Option<Pin<Box<F>>>,
    started: bool,
}

impl<F: Future> Future for Movable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.started = true;
        let Some(mut section) = self.section.take() else {
            unreachable!("a section that has panicked is not polled again")
        };
        let polled = section.as_mut().poll(cx);
        if polled.is_pending() {
            self.section = Some(section);
        }
        polled
    }
}

impl<F: Future + Send + 'static, P: Spawner> Future for ShieldOrSpawn<F, P> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().shield.poll(cx)
    }
}

impl<F: Future + Send + 'static, P: Spawner> FusedFuture for ShieldOrSpawn<F, P> {
    fn is_terminated(&self) -> bool {
        self.shield.is_terminated()
    }
}

#[pinned_drop]
impl<F: Future + Send + 'static, P: Spawner> PinnedDrop for ShieldOrSpawn<F, P> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        // The shield is still whole here: its own `drop`, which ends the protection, runs after this one.
        let section = this.shield.project().section.get_mut().as_mut();
        let left = section.filter(|section| section.started).and_then(|rest| rest.section.take());
        if let (Some(left), Some(spawner)) = (left, this.spawner.take()) {
            hand_over(spawner, || left);
        }
    }
}

impl<F: Future + Send + 'static, P: Spawner> fmt::Debug for ShieldOrSpawn<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShieldOrSpawn").field("shield", &self.shield).finish_non_exhaustive()
    }
}
