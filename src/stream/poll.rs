//! Polling of streams that are operations or contain shields, and the first poll of every stream.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures::Stream;

use super::{Batching, CancelableStream, Handover, Stage};
use crate::error::Cancelled;
use crate::frame::InRace;
use crate::future::{Ending, RunState, collect_shields, error_of_unstarted};
use crate::operation::{InPoll, Progress};
use crate::panic::contain;
use crate::poll_context::{self, Traced};
use crate::reason::Reason;
use crate::wait::probe;

/// The number of polls until the source has registered the task's waker, including the poll that registers the waker. If the
/// source is a time limit, each poll before that one reads the clock, and each poll after it reads a flag.
pub(crate) const UNREGISTERED_POLLS: u8 = 64 + 1;

/// What `poll_next` returns.
pub(super) type Polled<T, X> = Poll<Option<Result<T, X>>>;

/// The result of a poll of the inner stream: an item, the end of the stream, or the error of a cancellation.
type Pulled<T, End> = Poll<Result<ControlFlow<End, T>, Cancelled>>;

impl<St, S, E, M> CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<M::End>,
    M: Batching<St::Item>,
{
    /// Handles what the fast path does not: every poll of an operation or a shielded stream, and for other streams the first
    /// poll, the poll in which the race ends, and the polls after that. When it returns `Ready`, `item` has the item to hand
    /// out.
    #[inline(never)]
    pub(super) fn poll_slow(
        mut self: Pin<&mut Self>,
        handover: Handover<M::End>,
        item: &mut Option<Result<M::Item, M::Error>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.as_mut().project();
        let mut inside = InPoll::new();
        if let Some(state) = this.state.get_mut() {
            // Operations usually start at the first poll. If the stream became an operation later, the operation starts now.
            let starts = state.is_unstarted() && this.stream.is_some();
            // Passes `false`, because races around the stream do not wait for its clean-up yet: see `wait_slow`.
            let starting = starts.then_some(this.ending.as_mut());
            state.enter_poll(&mut inside, starting, false, cx.waker());
            #[cfg(feature = "time")]
            if starts && !matches!(this.stage, Stage::New) {
                state.note_deadline();
            }
        }
        let polled = self.as_mut().poll_as_current(handover, cx);
        if let Some(state) = self.project().state.get_mut() {
            state.leave_poll(inside);
        }
        *item = ready!(polled);
        Poll::Ready(())
    }

    /// Does the work of `poll_slow`. If the stream is an operation, the caller has made it the current one.
    fn poll_as_current(
        mut self: Pin<&mut Self>,
        handover: Handover<M::End>,
        cx: &mut Context<'_>,
    ) -> Polled<M::Item, M::Error> {
        let this = self.as_mut().project();
        let state = this.state.get_mut().as_deref_mut();
        match this.stage {
            Stage::New if poll_context::operation_start().is_some() => {
                // The stream is polled inside the source of an operation. The time limits of the stream must not count as
                // the deadline of that operation.
                poll_context::ignore_limits(|| self.poll_first(cx))
            }
            Stage::New => self.poll_first(cx),
            Stage::Streaming => {
                let shielded = state.is_some_and(RunState::is_shielded);
                match ready!(self.as_mut().pull(handover, cx)) {
                    Ok(ControlFlow::Continue(item)) => Poll::Ready(Some(Ok(item))),
                    Ok(ControlFlow::Break(end)) => self.finish(Ok(end), false, cx),
                    Err(cancelled) => self.finish(Err(cancelled), shielded, cx),
                }
            }
            Stage::Ending(_) => self.end(cx),
            Stage::Stopped(outcome) => {
                if state.is_some_and(|state| state.expects_drop(cx)) {
                    return Poll::Pending;
                }
                let error = outcome.take().and_then(M::error);
                *this.stage = Stage::Done;
                Poll::Ready(error.map(Err))
            }
            Stage::Done => Poll::Ready(None),
        }
    }

    /// Handles the first poll. If the source has fired by now, it wins, and the stream is never polled.
    fn poll_first(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<M::Item, M::Error> {
        *self.as_mut().project().stage = Stage::Streaming;
        if let Poll::Ready(reason) =
            self.as_mut().poll_cancelled(true, &mut Context::from_waker(probe()))
        {
            let error = error_of_unstarted(self.as_mut().project().state.get_mut(), reason);
            return self.finish(Err(error), false, cx);
        }
        // Do not call `poll_next` here: it would enter the operation a second time.
        self.poll_as_current(Handover::Looked, cx)
    }

    /// Polls the source, and then everything else that may cancel the operation, such as its token.
    fn poll_cancelled(self: Pin<&mut Self>, first: bool, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.project();
        let Some(source) = this.source.as_pin_mut() else { return Poll::Pending };
        match this.state.get_mut() {
            Some(state) => state.poll_source(first, source, cx),
            None => source.poll(cx),
        }
    }

    /// Pulls items until an item or a chunk can be handed out.
    fn pull(
        mut self: Pin<&mut Self>,
        handover: Handover<M::End>,
        cx: &mut Context<'_>,
    ) -> Pulled<M::Item, M::End> {
        let mut looked = false;
        let mut fired = match handover {
            Handover::Untouched => None,
            Handover::Looked => {
                looked = true;
                None
            }
            Handover::Fired(reason) => Some(reason),
            Handover::Ended(end) => return Poll::Ready(Ok(ControlFlow::Break(end))),
        };
        loop {
            let this = self.as_mut().project();
            let kept = this.state.get_mut().as_deref().is_some_and(RunState::is_cancelling);
            let pulled = if kept {
                // The stream is cancelled: only a shield or a grace period still keeps it alive.
                ready!(self.as_mut().poll_kept(cx))?
            } else {
                let cancelled = match fired.take() {
                    Some(reason) => Poll::Ready(reason),
                    None if std::mem::take(&mut looked) => {
                        // The first look counts as a poll that did not register.
                        stays_unregistered(this.unregistered_polls);
                        Poll::Pending
                    }
                    None if stays_unregistered(this.unregistered_polls) => {
                        self.as_mut().poll_cancelled(false, &mut Context::from_waker(probe()))
                    }
                    None => self.as_mut().poll_cancelled(false, cx),
                };
                if let Poll::Ready(reason) = cancelled {
                    self.as_mut().note_cause(reason)?;
                    continue;
                }
                match self.as_mut().poll_stream(0, cx) {
                    Poll::Ready(pulled) => pulled?,
                    Poll::Pending => {
                        fired = Some(ready!(self.as_mut().wait_slow(cx)));
                        continue;
                    }
                }
            };
            match pulled {
                ControlFlow::Break(end) => return Poll::Ready(Ok(ControlFlow::Break(end))),
                ControlFlow::Continue(item) => {
                    if let Some(item) = self.as_mut().push(item) {
                        return Poll::Ready(Ok(ControlFlow::Continue(item)));
                    }
                }
            }
        }
    }

    /// Records why the stream is cancelled. If nothing can keep the stream alive, returns the error at once.
    fn note_cause(self: Pin<&mut Self>, reason: Reason) -> Result<(), Cancelled> {
        let Some(state) = self.project().state.get_mut() else { return Err(reason.into()) };
        let reason = match state.operation() {
            // The first cancellation of the operation decides the reason. If the source has fired, the operation has been
            // cancelled already, and `cancel_with` changes nothing. If the idle timeout has fired, the operation does not
            // know that yet, and `cancel_with` cancels it.
            Some(operation) => {
                operation.cancel_with(reason.clone());
                operation.reason().unwrap_or(reason)
            }
            None => reason,
        };
        state.set_cause(reason);
        Ok(())
    }

    /// Polls the stream after a cancellation, while a grace period or a shield in the stream keeps the stream alive.
    fn poll_kept(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Pulled<M::Kept, M::End> {
        let state = self.as_mut().project().state.get_mut();
        let Some(state) = state.as_deref_mut() else { unreachable!("it holds the cause") };
        if state.poll_grace(cx) {
            let polled = {
                let tracer = state.tracer();
                let waker = Waker::from(tracer.clone());
                let _traced = Traced::enter(&tracer, cx.waker());
                self.as_mut().poll_stream(0, &mut Context::from_waker(&waker))
            };
            if polled.is_ready() || self.as_mut().wait_in_grace(cx) {
                return polled;
            }
        } else {
            let Some(tracer) = state.await_shields() else {
                return Poll::Ready(Err(state.error()));
            };
            let waker = Waker::from(tracer.clone());
            let _traced = Traced::enter(&tracer, cx.waker());
            let mut cx = Context::from_waker(&waker);
            let polled = self.as_mut().poll_stream(tracer.race(), &mut cx);
            if polled.is_ready() {
                return polled;
            }
        }
        self.wait_for_shields().map(Err)
    }

    /// Like [`wait_slow`](Self::wait_slow), within the grace period. Returns whether the grace period continues.
    fn wait_in_grace(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let Some(state) = self.project().state.get_mut() else { return true };
        // If `hold_clean_up` returns true, poll the grace period again, to register the task. A race around the stream may
        // begin to wait for the clean-up later, and must wake the task then.
        !(E::CLEANS_UP && state.hold_clean_up()) || state.poll_grace(cx)
    }

    /// Resolves to the error once no shield keeps the stream alive.
    fn wait_for_shields(self: Pin<&mut Self>) -> Poll<Cancelled> {
        match self.project().state.get_mut() {
            Some(state) => state.wait_for_shields(),
            None => unreachable!("it holds the cause"),
        }
    }

    /// Polls the inner stream, and notes the shields that register meanwhile. `dropping` is the number of the race if only
    /// shields keep the stream alive, and 0 otherwise.
    fn poll_stream(
        self: Pin<&mut Self>,
        dropping: u64,
        cx: &mut Context<'_>,
    ) -> Pulled<M::Kept, M::End> {
        let this = self.project();
        let Some(mut stream) = this.stream.as_pin_mut() else { unreachable!("it is streaming") };
        let partial = &mut this.buffer.partial;
        // Kept items are cloned in here, so that a panic of `clone` counts as a panic of the stream.
        let mut next = poll_fn(|cx| {
            stream.as_mut().poll_next(cx).map(|item| {
                let item = item.map_or_else(|| ControlFlow::Break(M::end()), M::split);
                if let ControlFlow::Continue(item) = &item {
                    partial.note(item);
                }
                item
            })
        });
        let state = this.state.get_mut();
        let operation = state.as_deref().is_some_and(RunState::is_operation);
        let before = poll_context::registrations();
        let frame = InRace::enter(dropping, operation);
        let polled = match state {
            Some(state) => {
                let mut pulled = None;
                let polled = state.poll_work(Pin::new(&mut next), &mut pulled, cx);
                match pulled {
                    Some(pulled) => Poll::Ready(pulled),
                    None => polled.map(|()| unreachable!("it is there when it is ready")),
                }
            }
            None => Pin::new(&mut next).poll(cx).map(Ok),
        };
        drop(frame);
        if poll_context::registrations() != before {
            collect_shields(state, before, dropping);
        }
        polled
    }

    /// Like [`wait`](Self::wait), for a stream that may be an operation.
    fn wait_slow(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.as_mut().project();
        let mut register = std::mem::take(this.unregistered_polls) > 0;
        if let Some(state) = this.state.get_mut() {
            // A race around the stream waits for the clean-up only while the consumer waits for an item. Between
            // two items, nothing polls this stream, so the race could wait forever.
            register |= E::CLEANS_UP && state.hold_clean_up();
        }
        if register {
            if let Poll::Ready(reason) = self.as_mut().poll_cancelled(false, cx) {
                return Poll::Ready(reason);
            }
        }
        self.wait(cx)
    }

    /// Reports progress if a report is due, puts the item into the buffer, and returns the item or chunk to hand out now, if
    /// there is one.
    fn push(self: Pin<&mut Self>, item: M::Kept) -> Option<M::Item> {
        let this = self.project();
        let state = this.state.get_mut();
        let operation = state.as_deref().and_then(RunState::operation);
        let count = this.buffer.partial.count();
        if let (Some(operation), Some(0)) = (operation, count.checked_rem(this.buffer.report_every))
        {
            let left = this.stream.as_pin_mut().map(|stream| contain(|| stream.size_hint()));
            // If `size_hint` panics, the panic hook prints the panic, and the report has no total. The item must not be lost
            // because of the panic.
            let left = left.and_then(Result::ok).unwrap_or((0, None));
            operation.report_progress(progress(count, left));
        }
        let handed_out = this.buffer.push(item);
        if let (true, Some(state), true) = (E::CLEANS_UP, state, handed_out.is_some()) {
            state.release_clean_up();
        }
        handed_out
    }
}

/// Polls the source before an item. The first polls do not register the task: see
/// [`UNREGISTERED_POLLS`].
#[inline]
pub(crate) fn poll_source<S: Future<Output = Reason>>(
    source: Pin<&mut S>,
    unregistered_polls: &mut u8,
    cx: &mut Context<'_>,
) -> Poll<Reason> {
    if *unregistered_polls == 0 {
        source.poll(cx)
    } else {
        poll_source_cold(source, unregistered_polls, cx)
    }
}

/// Not inlined, so that the code for later polls stays small.
#[inline(never)]
fn poll_source_cold<S: Future<Output = Reason>>(
    source: Pin<&mut S>,
    unregistered_polls: &mut u8,
    cx: &mut Context<'_>,
) -> Poll<Reason> {
    if stays_unregistered(unregistered_polls) {
        source.poll(&mut Context::from_waker(probe()))
    } else {
        source.poll(cx)
    }
}

/// Counts a poll of the source. Returns true if this poll must not register the task.
#[inline]
fn stays_unregistered(polls: &mut u8) -> bool {
    *polls = polls.saturating_sub(1);
    *polls > 0
}

/// Creates the report of a stream that has produced `count` items and whose size hint is `left`.
fn progress(count: u64, left: (usize, Option<usize>)) -> Progress {
    let total = match left {
        (lower, Some(upper)) if lower == upper => {
            u64::try_from(upper).ok().and_then(|upper| count.checked_add(upper))
        }
        _ => None,
    };
    let progress = match total {
        Some(total) => Progress::steps(count, total),
        None => Progress::default(),
    };
    progress.with_message("streaming").with("items", count.to_string())
}
