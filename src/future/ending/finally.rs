//! `Finally`: clean-up that awaits.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;

use super::{Ending, ErrorOf, sealed};
use crate::error::Cancelled;
#[cfg(feature = "time")]
use crate::timer::Countdown;

/// Clean-up of [`finally`](crate::Cancelable::finally), after what was given earlier.
#[pin_project]
pub struct Finally<T, E, C, Fut> {
    #[pin]
    earlier: E,
    /// While it is running.
    outcome: Option<Result<T, Cancelled>>,
    clean_up: Option<C>,
    #[pin]
    running: Option<Fut>,
    /// Whether a poll of it has begun and not returned: it has panicked then.
    polling: bool,
    #[cfg(feature = "time")]
    limit: Option<Countdown>,
}

impl<T, E, C, Fut> Finally<T, E, C, Fut> {
    pub(crate) fn new(earlier: E, clean_up: C) -> Self {
        Finally {
            earlier,
            outcome: None,
            clean_up: Some(clean_up),
            running: None,
            polling: false,
            #[cfg(feature = "time")]
            limit: None,
        }
    }

    #[cfg(feature = "time")]
    pub(crate) fn within(mut self, limit: Countdown) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl<T, E, C, Fut> sealed::Ending<T> for Finally<T, E, C, Fut>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future,
{
    const CLEANS_UP: bool = true;

    fn set_error_of(&self, error_of: ErrorOf<T>) {
        self.earlier.set_error_of(error_of);
    }

    fn error_of(&self) -> Option<ErrorOf<T>> {
        self.earlier.error_of()
    }

    fn start(self: Pin<&mut Self>) {
        self.project().earlier.start();
    }

    fn keep(self: Pin<&mut Self>, outcome: &mut Option<Result<T, Cancelled>>) {
        *self.project().outcome = outcome.take();
    }

    fn give_back(self: Pin<&mut Self>, outcome: &mut Option<Result<T, Cancelled>>) {
        *outcome = self.project().outcome.take();
    }

    fn owes(&self) -> bool {
        self.clean_up.is_some() || self.running.is_some() || self.earlier.owes()
    }

    fn hand_on(self: Pin<&mut Self>) {
        self.project().earlier.hand_on();
    }

    fn poll_end(
        self: Pin<&mut Self>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        if let Some(kept) = this.outcome.take() {
            *outcome = Some(kept);
        }
        ready!(this.earlier.poll_end(outcome, cx));
        if let (Some(clean_up), Some(outcome)) = (this.clean_up.take(), &*outcome) {
            let started = clean_up(outcome);
            this.running.set(Some(started));
        }
        if std::mem::take(this.polling) {
            this.running.set(None);
        }
        if let Some(running) = this.running.as_mut().as_pin_mut() {
            *this.polling = true;
            let pending = running.poll(cx).is_pending();
            *this.polling = false;
            if pending {
                #[cfg(feature = "time")]
                if this.limit.as_mut().is_some_and(|limit| limit.poll("finally", cx).is_ready()) {
                    this.running.set(None);
                    return Poll::Ready(());
                }
                *this.outcome = outcome.take();
                return Poll::Pending;
            }
        }
        this.running.set(None);
        Poll::Ready(())
    }
}

impl<T, E, C, Fut> fmt::Debug for Finally<T, E, C, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finally")
    }
}
