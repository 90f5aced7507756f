//! `Race`: the polls of a run of which more is asked than to race, and the last poll of any.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::extra::Extra;
use crate::frame::{InRace, next_race};
use crate::poll_context::{self, Traced};
use crate::wait::probe;
use crate::{Cancelled, Reason};

/// The parts of a run whose work is there. Its methods are ready when the outcome is.
pub(super) struct Race<'a, F: Future, S> {
    pub(super) work: Pin<&'a mut F>,
    pub(super) source: Pin<&'a mut Option<S>>,
    pub(super) extra: &'a mut Option<Box<Extra>>,
    pub(super) outcome: &'a mut Option<Result<F::Output, Cancelled>>,
}

impl<F: Future, S: Future<Output = Reason>> Race<'_, F, S> {
    #[inline(always)]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.extra.as_deref().is_some_and(Extra::is_cancelling) {
            // Who fired is known: only the work is left to look at.
            return self.poll_kept_work(cx);
        }
        if let Poll::Ready(reason) = self.look(false, cx) {
            return self.cancel(reason, cx);
        }
        self.poll_work(0, cx)
    }

    #[inline(never)]
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Only asks. Whoever has fired by now wins, and the work is never polled.
        if let Poll::Ready(reason) = self.look(true, &mut Context::from_waker(probe())) {
            return self.end(Err(reason.into()));
        }
        if self.poll_last(0, cx).is_ready() {
            return Poll::Ready(());
        }
        self.look_again(cx)
    }

    /// Now that there is something to wait for, the source registers, and who waits for handles. If
    /// one has fired in the meantime, the work gets its last poll, as in any other call.
    #[inline(never)]
    fn look_again(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reason = ready!(self.look(false, cx));
        self.cancel(reason, cx)
    }

    fn end(&mut self, outcome: Result<F::Output, Cancelled>) -> Poll<()> {
        *self.outcome = Some(outcome);
        Poll::Ready(())
    }

    /// Asks the source, and whoever has a handle of the operation.
    #[inline(always)]
    fn look(&mut self, first: bool, cx: &mut Context<'_>) -> Poll<Reason> {
        let Some(source) = self.source.as_mut().as_pin_mut() else { return Poll::Pending };
        match self.extra {
            Some(extra) => extra.look(first, source, cx),
            None => source.poll(cx),
        }
    }

    /// Polls the work, and hears of the shields in it. `dropping` is the number of the race if only shields keep the
    /// work, else 0.
    #[inline(always)]
    fn poll_work(&mut self, dropping: u64, cx: &mut Context<'_>) -> Poll<()> {
        let before = poll_context::registrations();
        let frame = InRace::enter(dropping, is_operation(self.extra));
        let work = self.work.as_mut();
        let polled = match self.extra {
            Some(extra) => extra.poll_work(work, self.outcome, cx),
            None => match work.poll(cx) {
                Poll::Ready(value) => self.end(Ok(value)),
                Poll::Pending => Poll::Pending,
            },
        };
        drop(frame);
        if poll_context::registrations() != before {
            collect_shields(self.extra, before, dropping);
        }
        polled
    }

    /// The same, apart from where it is called most.
    #[inline(never)]
    fn poll_last(&mut self, dropping: u64, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_work(dropping, cx)
    }

    /// The source has fired: the work gets a last poll, and goes if it is pending, unless something
    /// keeps it.
    pub(super) fn cancel(&mut self, reason: Reason, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(extra) = self.extra {
            extra.cancel(reason);
            return self.poll_kept_work(cx);
        }
        if self.poll_last(next_race(), cx).is_ready() {
            return Poll::Ready(());
        }
        match self.extra {
            // In that very poll something in the work began to clean up.
            Some(extra) => {
                extra.cancel(reason);
                self.wait_for_shields()
            }
            None => self.end(Err(reason.into())),
        }
    }

    /// Polls the work after the source has fired, and tells whether anything keeps it.
    fn poll_kept_work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(extra) = self.extra.as_deref_mut() else { return Poll::Pending };
        if extra.poll_grace(cx) {
            return self.poll_last(0, cx);
        }
        let polled = match extra.await_shields() {
            Some(tracer) => {
                let waker = Waker::from(tracer.clone());
                let _traced = Traced::enter(&tracer, cx.waker());
                self.poll_last(tracer.race(), &mut Context::from_waker(&waker))
            }
            None => self.poll_last(next_race(), cx),
        };
        if polled.is_ready() {
            return Poll::Ready(());
        }
        self.wait_for_shields()
    }

    /// The work goes once no shield keeps it.
    fn wait_for_shields(&mut self) -> Poll<()> {
        let Some(extra) = self.extra else { return Poll::Pending };
        let cancelled = ready!(extra.wait_for_shields());
        self.end(Err(cancelled))
    }
}

/// Whether more is asked of a run than to race.
#[inline]
pub(super) fn is_operation(extra: &Option<Box<Extra>>) -> bool {
    extra.as_deref().is_some_and(Extra::is_operation)
}

/// Takes in the shields that have registered in a poll of the work. `dropping` is as for [`InRace`].
#[cold]
pub(crate) fn collect_shields(extra: &mut Option<Box<Extra>>, before: usize, dropping: u64) {
    let shields = poll_context::registered_since(before, dropping);
    if !shields.is_empty() {
        extra.get_or_insert_default().add_shields(shields);
    }
}
