//! After the work: clean-up, and the end of the operation.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::RunState;
use crate::error::Cancelled;
use crate::future::Ending;
use crate::future::operation_run::RunEnd;
use crate::panic::{contain, message};
use crate::poll_context::InShield;
use crate::reason::Reason;
use crate::wait::probe;

impl RunState {
    /// Runs the clean-up, shielded from cancellations of the races around it.
    #[inline]
    pub(crate) fn poll_clean_up<T, E: Ending<T>>(
        &mut self,
        mut ending: Pin<&mut E>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !E::CLEANS_UP {
            return Poll::Ready(());
        }
        let Some(run) = &mut self.operation else { return Poll::Ready(()) };
        if let Some(operation) = run.watched() {
            operation.note_clean_up();
        }
        let _inside = InShield::enter();
        loop {
            match catch_unwind(AssertUnwindSafe(|| ending.as_mut().poll_clean_up(outcome, cx))) {
                Ok(polled) => {
                    if polled.is_pending() {
                        run.owes_clean_up = ending.owes_clean_up();
                    }
                    return polled;
                }
                // A clean-up that panicked is not polled again. The next iteration runs the next clean-up.
                Err(panic) => run.keep_first_panic(panic),
            }
        }
    }

    /// Like the [function](crate::future::race::contain_drop) of the same name, for a race that is an operation.
    #[inline]
    pub(in crate::future) fn contain_drop(&mut self, drop: impl FnOnce()) -> bool {
        let dropped = catch_unwind(AssertUnwindSafe(drop));
        let contained = dropped.is_ok();
        if let (Err(panic), Some(run)) = (dropped, &mut self.operation) {
            run.keep_first_panic(panic);
        }
        contained
    }

    /// Polls the source once more, without registering, because the work has returned an error. The work may have returned
    /// the error because it noticed in this poll that the source has fired, for example with `token.check()?`. If the source
    /// has fired, cancels the operation.
    pub(crate) fn note_cause_of_error<S>(&mut self, source: Pin<&mut Option<S>>)
    where
        S: Future<Output = Reason>,
    {
        let (None, Some(run), Some(source)) = (&self.cause, &self.operation, source.as_pin_mut())
        else {
            // Guarantee 6: a source that has fired is not polled again.
            return;
        };
        // A panic of the source must not replace the error.
        let polled = contain(|| source.poll(&mut Context::from_waker(probe())));
        if let Ok(Poll::Ready(reason)) = polled {
            run.operation.cancel_with(reason);
        }
    }

    /// Returns the error that replaces the value of the work, or `None` if the operation has not been cancelled by now.
    /// Called if the operation is strict. Polls the source once more, without registering, because the poll of the work may
    /// have taken a long time.
    #[cold]
    pub(crate) fn late_error<S>(&mut self, source: Pin<&mut Option<S>>) -> Option<Cancelled>
    where
        S: Future<Output = Reason>,
    {
        // Guarantee 6: a source that has fired is not polled again.
        if let (None, Some(source)) = (&self.cause, source.as_pin_mut()) {
            let mut cx = Context::from_waker(probe());
            // A panic of the source must not replace the value.
            let _ = contain(|| self.poll_source(false, source, &mut cx));
        }
        let reason = self.operation.as_ref()?.operation.reason()?;
        Some(self.error_for(reason, false))
    }

    #[inline]
    pub(crate) fn is_strict(&self) -> bool {
        self.operation.as_ref().is_some_and(|run| run.strict)
    }

    /// Ends the operation. Returns true if a race around it has been cancelled and was waiting for this end. In that case, the
    /// code that awaits the operation must not continue.
    pub(crate) fn end<T, E: Ending<T>>(
        &mut self,
        ending: &E,
        outcome: &Result<T, Cancelled>,
    ) -> bool {
        let Some(run) = &mut self.operation else { return false };
        run.owes_clean_up = false;
        run.end = RunEnd::Recorded;
        run.discard_clean_up_lost();
        if let Some(panic) = run.take_panic() {
            run.operation.end_failed(&format_args!("panicked: {}", message(&*panic)));
            if let Some(cleaning) = run.cleaning.take() {
                cleaning.end();
            }
            resume_unwind(panic);
        }
        let operation = &run.operation;
        match (ending.failure(), outcome) {
            (Some(failure), _) => operation.end_failed(&failure),
            (None, Err(cancelled)) => operation.end_cancelled(cancelled.reason().clone()),
            (None, Ok(value)) => {
                let mut failed = false;
                if let Some(error_of) = ending.error_of() {
                    error_of(value, &mut |error| {
                        failed = true;
                        operation.end_with_error(error);
                    });
                }
                if !failed {
                    run.complete();
                }
            }
        }
        let awaited = run.cleaning.take().is_some_and(|cleaning| {
            cleaning.end();
            cleaning.is_awaited()
        });
        awaited || self.stopped
    }
}
