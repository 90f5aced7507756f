//! How a stream ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;

use super::poll::Polled;
use super::{Batching, CancelableStream, Stage};
use crate::error::Cancelled;
use crate::future::{Ending, RunState, contain_drop, is_stopped};
use crate::reason::Reason;

impl<St, S, E, M> CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<M::End>,
    M: Batching<St::Item>,
{
    /// Drops the inner stream, then the source, and hands out the last chunk or the outcome. Called when the race is over.
    /// `shielded` is true if a shield kept the stream alive.
    #[inline(never)]
    pub(super) fn finish(
        mut self: Pin<&mut Self>,
        outcome: Result<M::End, Cancelled>,
        shielded: bool,
        cx: &mut Context<'_>,
    ) -> Polled<M::Item, M::Error> {
        let mut this = self.as_mut().project();
        let state = this.state.get_mut();
        let is_operation = state.as_deref().is_some_and(RunState::is_operation);
        let stopped = is_stopped(&outcome, shielded, is_operation);
        let failed = matches!(&outcome, Ok(end) if this.ending.has_failed(end));
        if let (true, Some(state)) = (failed, &mut *state) {
            state.note_cause_of_error(this.source.as_mut());
        }
        // Guarantee 3: the stream is gone before hooks, clean-up and the consumer see the outcome.
        *this.stage = Stage::Done;
        #[cfg(feature = "time")]
        {
            this.buffer.idle = None;
        }
        let mut complete = outcome.is_ok() && !failed;
        complete &= contain_drop(state, || this.stream.set(None));
        if !E::JOINS {
            complete &= contain_drop(state, || this.source.set(None));
        }
        if !complete {
            contain_drop(state, || this.buffer.partial.keep_chunk());
        }
        if let Some(state) = state {
            state.end_race(stopped, E::CLEANS_UP, E::JOINS);
        }
        // The last items, if the stream is complete and they do not fill a chunk. Otherwise `None`.
        let chunk = this.buffer.finish();
        if is_operation {
            *this.stage = Stage::Ending(Some(outcome));
            let Some(chunk) = chunk else { return self.end(cx) };
            // While the consumer has an item, races around the stream do not wait for its clean-up: see `wait_slow`.
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

    /// If the operation joins its children, waits for them. Then runs the clean-up and ends the operation.
    pub(super) fn end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<M::Item, M::Error> {
        let mut this = self.project();
        let Some(state) = this.state.get_mut() else { unreachable!("it is an operation") };
        if E::CLEANS_UP {
            state.hold_clean_up();
        }
        if E::JOINS {
            ready!(state.poll_join(this.source, cx));
        }
        let Stage::Ending(outcome) = this.stage else { unreachable!("the caller has looked") };
        ready!(state.poll_clean_up(this.ending.as_mut(), outcome, cx));
        let Some(outcome) = outcome.take() else { unreachable!("clean-up gives the outcome back") };
        *this.stage = Stage::Done;
        if state.end(&*this.ending, &outcome) && state.expects_drop(cx) {
            *this.stage = Stage::Stopped(Some(outcome));
            return Poll::Pending;
        }
        Poll::Ready(M::error(outcome).map(Err))
    }
}
