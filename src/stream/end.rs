//! How a stream ends.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::stream::Stream;

use super::poll::Polled;
use super::{Batching, CancelableStream, Stage};
use crate::error::Cancelled;
use crate::frame::is_dropping;
use crate::future::{Ending, RunState};
use crate::panic::contain;
use crate::reason::Reason;
use crate::wait::probe;

impl<St, S, E, M> CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<M::End>,
    M: Batching<St::Item>,
{
    /// The race is over: drops the inner stream, then the source, and hands out the last chunk or the
    /// outcome. `shielded` says that a shield has kept the stream.
    #[inline(never)]
    pub(super) fn finish(
        mut self: Pin<&mut Self>,
        outcome: Result<M::End, Cancelled>,
        shielded: bool,
        cx: &mut Context<'_>,
    ) -> Polled<M::Item, M::Error> {
        let mut this = self.as_mut().project();
        let is_operation = this.state.get_mut().as_deref().is_some_and(RunState::is_operation);
        // Guarantee 10, at every level: a race around this one waited for the same shield, or for
        // the operation above, and what follows must not run.
        let stopped = match &outcome {
            Ok(_) => false,
            Err(cancelled) => (shielded || is_operation && cancelled.is_parent()) && is_dropping(),
        };
        if is_operation && matches!(&outcome, Ok(end) if M::has_failed(end)) {
            self.as_mut().note_cause_of_error();
            this = self.as_mut().project();
        }
        // Guarantee 3: the stream is gone before hooks, clean-up and the consumer see the outcome.
        *this.stage = Stage::Done;
        #[cfg(feature = "time")]
        {
            this.buffer.idle = None;
        }
        let complete = matches!(&outcome, Ok(end) if !M::has_failed(end));
        let dropped = if is_operation {
            catch_unwind(AssertUnwindSafe(|| self.as_mut().drop_race(complete)))
        } else {
            self.as_mut().drop_race(complete);
            Ok(())
        };
        if let Err(panic) = dropped {
            self.as_mut().destructor_panicked(panic);
        }
        let this = self.as_mut().project();
        if let Some(state) = this.state.get_mut() {
            state.end_race(stopped, E::CLEANS_UP);
        }
        // Empty, unless the stream is complete.
        let chunk = this.buffer.finish();
        if is_operation {
            *this.stage = Stage::Ending(Some(outcome));
            let Some(chunk) = chunk else { return self.end(cx) };
            // While the consumer has an item, races around it do not wait: see `wait_slow`.
            if let (true, Some(state)) = (E::CLEANS_UP, this.state.get_mut()) {
                state.release_clean_up();
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        let expects_drop = |state: &mut RunState| state.expects_drop(cx);
        if stopped && this.state.get_mut().as_deref_mut().is_some_and(expects_drop) {
            *this.stage = Stage::Stopped(Some(outcome));
            return Poll::Pending;
        }
        Poll::Ready(chunk.map(Ok).or(M::error(outcome).map(Err)))
    }

    /// The stream has ended with an error: polls the source once more, without registering. The stream
    /// may have noticed in this very poll that the source has fired, as by `token.check()?`, and then
    /// the operation has a cause.
    fn note_cause_of_error(self: Pin<&mut Self>) {
        let this = self.project();
        let (Some(source), Some(state)) = (this.source.as_pin_mut(), this.state.get_mut()) else {
            return;
        };
        if state.is_cancelling() {
            // It has a cause. Guarantee 6: a source that has fired is not polled again.
            return;
        }
        // A panic of the source must not take the place of the error.
        let polled = contain(|| source.poll(&mut Context::from_waker(probe())));
        if let (Ok(Poll::Ready(reason)), Some(operation)) = (polled, state.operation()) {
            operation.cancel_with(reason);
        }
    }

    /// Drops the stream, then the source. Unless the stream is `complete`, the items of its incomplete
    /// chunk go to the partial result, or are dropped too.
    fn drop_race(self: Pin<&mut Self>, complete: bool) {
        let mut this = self.project();
        this.stream.set(None);
        this.source.set(None);
        if !complete {
            this.buffer.partial.keep_chunk();
        }
    }

    /// A destructor of the stream, the source or an item has panicked: guarantee 13.
    #[cold]
    fn destructor_panicked(self: Pin<&mut Self>, panic: Box<dyn Any + Send>) {
        let mut this = self.project();
        let _ = contain(|| this.source.set(None));
        let _ = contain(|| this.buffer.partial.keep_chunk());
        if let Some(state) = this.state.get_mut() {
            state.keep_panic(panic);
        }
    }

    /// Runs the clean-up, then ends the operation.
    pub(super) fn end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<M::Item, M::Error> {
        let mut this = self.project();
        let Some(state) = this.state.get_mut() else { unreachable!("it is an operation") };
        if E::CLEANS_UP {
            state.hold_clean_up();
        }
        let Stage::Ending(outcome) = this.stage else { unreachable!("the caller has looked") };
        ready!(state.poll_clean_up(this.ending.as_mut(), outcome, cx));
        let Some(outcome) = outcome.take() else { unreachable!("whoever kept it gives it back") };
        *this.stage = Stage::Done;
        if state.end(&*this.ending, &outcome) && state.expects_drop(cx) {
            *this.stage = Stage::Stopped(Some(outcome));
            return Poll::Pending;
        }
        Poll::Ready(M::error(outcome).map(Err))
    }
}
