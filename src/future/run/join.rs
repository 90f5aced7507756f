//! The wait for the children of an operation, after its work and before its clean-up.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::RunState;
use crate::error::Cancelled;
use crate::future::Ending;
use crate::future::operation_run::Join;
use crate::poll_context::InShield;
use crate::reason::Reason;

impl RunState {
    /// Waits until every operation below this one has ended. The work must be gone already.
    ///
    /// During the wait, the operation can still be cancelled by its source, its parent or a handle. Such a cancellation
    /// cancels the children and drops the source. After such a cancellation, the wait ends at the latest when the grace
    /// period of the operation is over, if it has one, or when the operation is forced.
    #[inline(never)]
    pub(crate) fn poll_join<S: Future<Output = Reason>>(
        &mut self,
        mut source: Pin<&mut Option<S>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(run) = &mut self.operation else { return Poll::Ready(()) };
        if let Join::Before = run.rare_or_new().join {
            if let Some(operation) = run.watched() {
                operation.note_joining(true);
            }
            let children = run.operation.join_children(run.cancels_children);
            run.rare_or_new().join = Join::Waiting(children);
        }
        let Join::Waiting(children) = &mut run.rare_or_new().join else { return Poll::Ready(()) };
        if Pin::new(children).poll(cx).is_pending() {
            let cancelled = run.operation.is_cancelled();
            let cancelled = match source.as_mut().as_pin_mut() {
                Some(source) if !cancelled => self.poll_source(false, source, cx).is_ready(),
                _ => cancelled,
            };
            if cancelled && source.is_some() {
                // Guarantee 6: a source that has fired is not polled again.
                self.contain_drop(|| source.set(None));
                #[cfg(feature = "time")]
                if let Some(run) = &mut self.operation {
                    run.use_grace_of_canceller();
                }
            }
            if !cancelled || self.poll_join_grace(cx) {
                return Poll::Pending;
            }
        }
        if let Some(run) = &mut self.operation {
            run.rare_or_new().join = Join::Over;
            if let Some(operation) = run.watched() {
                operation.note_joining(false);
            }
            #[cfg(feature = "time")]
            run.operation.end_grace();
        }
        self.contain_drop(|| source.set(None));
        self.end_limits(true);
        Poll::Ready(())
    }

    /// Polls those children that only this operation polls, such as the members of a group. These polls are shielded, like
    /// the polls of clean-up.
    pub(crate) fn poll_while_joining<T, E: Ending<T>>(
        &mut self,
        ending: Pin<&mut E>,
        outcome: &Result<T, Cancelled>,
        cx: &mut Context<'_>,
    ) {
        let _inside = InShield::enter();
        ending.poll_while_joining(outcome, cx);
    }

    /// Returns whether the wait continues although the operation is cancelled.
    #[cfg(feature = "time")]
    fn poll_join_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(run) = &mut self.operation else { return false };
        let goes_on = if run.has_grace() {
            run.poll_grace(cx)
        } else {
            !run.operation.poll_forced(cx.waker())
        };
        if !goes_on {
            run.operation.end_grace();
        }
        goes_on
    }

    #[cfg(not(feature = "time"))]
    fn poll_join_grace(&mut self, _cx: &mut Context<'_>) -> bool {
        true
    }
}
