//! `Finally`: clean-up that awaits, as part of the operation.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;

use super::{Ending, ErrorOf, clean_up_after_earlier, passed_to_earlier, sealed};
use crate::error::Cancelled;
#[cfg(feature = "time")]
use crate::frame::InLimitedSection;
use crate::text::Text;
#[cfg(feature = "time")]
use crate::timer::SectionLimit;

/// Clean-up added by [`finally`](crate::Cancelable::finally). Runs after the clean-up that was
/// added earlier.
#[pin_project]
pub struct Finally<T, E, C, Fut> {
    #[pin]
    earlier: E,
    /// The outcome of the race is stored here while clean-up is pending.
    outcome: Option<Result<T, Cancelled>>,
    clean_up: Option<C>,
    #[pin]
    running: Option<Fut>,
    /// Set during a poll of `running`. If this is still set at the next poll, the previous poll has panicked.
    polling: bool,
    #[cfg(feature = "time")]
    limit: Option<SectionLimit>,
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
    pub(crate) fn within(mut self, limit: SectionLimit) -> Self {
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
    clean_up_after_earlier!(T, joins: E::JOINS);
    passed_to_earlier!(T);

    fn note_started(self: Pin<&mut Self>) {
        self.project().earlier.note_started();
    }

    fn owes_clean_up(&self) -> bool {
        self.clean_up.is_some() || self.running.is_some() || self.earlier.owes_clean_up()
    }

    fn hand_over(self: Pin<&mut Self>) {
        self.project().earlier.hand_over();
    }

    fn poll_clean_up(
        mut self: Pin<&mut Self>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.as_mut().restore_outcome(outcome);
        let mut this = self.project();
        ready!(this.earlier.poll_clean_up(outcome, cx));
        if let (Some(clean_up), Some(outcome)) = (this.clean_up.take(), &*outcome) {
            let started = clean_up(outcome);
            this.running.set(Some(started));
        }
        if std::mem::take(this.polling) {
            this.running.set(None);
        }
        if let Some(running) = this.running.as_mut().as_pin_mut() {
            *this.polling = true;
            #[cfg(feature = "time")]
            let limited = this.limit.as_mut().map(|limit| InLimitedSection::enter(limit.start()));
            let pending = running.poll(cx).is_pending();
            #[cfg(feature = "time")]
            drop(limited);
            *this.polling = false;
            if pending {
                #[cfg(feature = "time")]
                if this.limit.as_mut().is_some_and(|limit| limit.poll("finally", cx)) {
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
