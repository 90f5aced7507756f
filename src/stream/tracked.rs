//! How a stream is polled that is an operation or has shields in it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::stream::Stream;

use super::look::is_free;
use super::{CancelableStream, Seen, Shape, Stage, protect};
use crate::ambient::{self, InRace};
use crate::future::{Ending, Extra};
use crate::panic::contain;
use crate::wait::probe;
use crate::{Cancelled, Progress, Reason};

/// What a poll hands out.
pub(super) type Polled<T> = Poll<Option<Result<T, Cancelled>>>;

/// What came of a poll of the stream within: an item, its end, or a cancellation.
type Pulled<T> = Poll<Result<Option<T>, Cancelled>>;

impl<St, S, E, M> CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<()>,
    M: Shape<St::Item>,
{
    /// The first poll, what comes after the stream, and every poll of a stream of which more is
    /// asked. When it is ready, it has told what to hand out.
    #[inline(never)]
    pub(super) fn poll_apart(
        mut self: Pin<&mut Self>,
        seen: Seen,
        told: &mut Option<Result<M::Item, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.as_mut().project();
        let mut inside = None;
        if let Some(extra) = this.extra.get_mut() {
            // Mostly at the first poll; later, where more was asked of it only then.
            let starts = extra.is_unstarted() && this.stream.is_some();
            if starts {
                this.ending.as_mut().start();
                // The races around it do not wait for clean-up yet: see `wait_apart`.
                extra.start(false);
            }
            inside = extra.enter();
            if starts {
                extra.tell_start();
            }
        }
        let polled = self.as_mut().poll_entered(seen, cx);
        if let (Some(inside), Some(extra)) = (inside, self.project().extra.get_mut()) {
            extra.leave(inside);
        }
        *told = ready!(polled);
        Poll::Ready(())
    }

    /// The same, where the operation is the current one.
    fn poll_entered(mut self: Pin<&mut Self>, seen: Seen, cx: &mut Context<'_>) -> Polled<M::Item> {
        let this = self.as_mut().project();
        let extra = this.extra.get_mut().as_deref();
        match this.stage {
            Stage::New if ambient::asked_since().is_some() => {
                // It is within the source of an operation, and its limits are its own.
                ambient::ignore_limits(|| self.begin(cx))
            }
            Stage::New => self.begin(cx),
            Stage::Streaming => {
                let shielded = extra.is_some_and(Extra::is_shielded);
                match ready!(self.as_mut().pull(seen, cx)) {
                    Ok(Some(item)) => Poll::Ready(Some(Ok(item))),
                    Ok(None) => self.finish(Ok(()), false, cx),
                    Err(cancelled) => self.finish(Err(cancelled), shielded, cx),
                }
            }
            Stage::Ending(_) => self.end(cx),
            Stage::Stopped(_) if ambient::is_cancelling() => Poll::Pending,
            Stage::Stopped(cancelled) => {
                let cancelled = cancelled.take();
                *this.stage = Stage::Done;
                Poll::Ready(cancelled.map(Err))
            }
            Stage::Done => Poll::Ready(None),
        }
    }

    /// The first poll. Whoever has fired by now wins, and the stream is never polled.
    fn begin(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<M::Item> {
        *self.as_mut().project().stage = Stage::Streaming;
        if let Poll::Ready(reason) = self.as_mut().ask(true, &mut Context::from_waker(probe())) {
            return self.finish(Err(reason.into()), false, cx);
        }
        self.poll_next(cx)
    }

    /// Asks the source, and whoever has a handle of the operation.
    fn ask(self: Pin<&mut Self>, first: bool, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.project();
        let Some(source) = this.source.as_pin_mut() else { return Poll::Pending };
        match this.extra.get_mut() {
            Some(extra) => extra.look(first, source, cx),
            None => source.poll(cx),
        }
    }

    /// Pulls until there is something to hand out.
    fn pull(mut self: Pin<&mut Self>, seen: Seen, cx: &mut Context<'_>) -> Pulled<M::Item> {
        let mut fired = match seen {
            Seen::Nothing => None,
            Seen::Fired(reason) => Some(reason),
            Seen::End => return Poll::Ready(Ok(None)),
        };
        loop {
            let this = self.as_mut().project();
            let kept = this.extra.get_mut().as_deref().is_some_and(Extra::is_cancelling);
            let pulled = if kept {
                // Who fired is known: only what keeps the stream is left to look at.
                ready!(self.as_mut().poll_kept(cx))?
            } else {
                let looked = match fired.take() {
                    Some(reason) => Poll::Ready(reason),
                    None if is_free(this.free_looks) => {
                        self.as_mut().ask(false, &mut Context::from_waker(probe()))
                    }
                    None => self.as_mut().ask(false, cx),
                };
                if let Poll::Ready(reason) = looked {
                    self.as_mut().cancel(reason)?;
                    continue;
                }
                match self.as_mut().poll_stream(false, cx) {
                    Poll::Ready(pulled) => pulled?,
                    Poll::Pending => {
                        fired = Some(ready!(self.as_mut().wait_apart(cx)));
                        continue;
                    }
                }
            };
            let Some(item) = pulled else { return Poll::Ready(Ok(None)) };
            if let Some(item) = self.as_mut().accept(item) {
                return Poll::Ready(Ok(Some(item)));
            }
        }
    }

    /// Notes why it is cancelled. An error where nothing can keep the stream.
    fn cancel(self: Pin<&mut Self>, reason: Reason) -> Result<(), Cancelled> {
        let Some(extra) = self.project().extra.get_mut() else { return Err(reason.into()) };
        let reason = match extra.operation() {
            // Of those who cancel an operation the first decides. A source has told it by now; a
            // limit between items has not.
            Some(operation) => {
                operation.cancel_with(reason.clone());
                operation.reason().unwrap_or(reason)
            }
            None => reason,
        };
        extra.cancel(reason);
        Ok(())
    }

    /// After a cancellation: goes on with the stream while a shield in it or a grace period keeps
    /// it. For no other reason is it polled any more.
    fn poll_kept(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Pulled<St::Item> {
        let extra = self.as_mut().project().extra.get_mut();
        let grace = extra.as_deref_mut().is_some_and(|extra| extra.in_grace(cx));
        if !grace {
            if let Poll::Ready(cancelled) = self.as_mut().wait_for_shields() {
                return Poll::Ready(Err(cancelled));
            }
        }
        let polled = self.as_mut().poll_stream(!grace, cx);
        if polled.is_ready() || grace && self.as_mut().wait_in_grace(cx) {
            return polled;
        }
        self.wait_for_shields().map(Err)
    }

    /// As [`wait_apart`](Self::wait_apart), for a stream in its grace. Tells whether it still is.
    fn wait_in_grace(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let Some(extra) = self.project().extra.get_mut() else { return true };
        // A race around it that begins to wait for clean-up is to wake it.
        !(E::CLEANS_UP && extra.hold_clean_up()) || extra.in_grace(cx)
    }

    /// Ready, with what to tell, once no shield keeps the stream.
    fn wait_for_shields(self: Pin<&mut Self>) -> Poll<Cancelled> {
        match self.project().extra.get_mut() {
            Some(extra) => extra.wait_for_shields(),
            None => unreachable!("it holds the cause"),
        }
    }

    /// Polls the stream, and hears of the shields in it. `cancelling` says that only shields keep
    /// it.
    fn poll_stream(
        self: Pin<&mut Self>,
        cancelling: bool,
        cx: &mut Context<'_>,
    ) -> Pulled<St::Item> {
        let this = self.project();
        let Some(mut stream) = this.stream.as_pin_mut() else { return Poll::Ready(Ok(None)) };
        let keep = &mut this.desk.keep;
        // What is kept is cloned in here: a panic of that is one of the stream.
        let mut next = poll_fn(|cx| {
            let polled = stream.as_mut().poll_next(cx);
            if let Poll::Ready(Some(item)) = &polled {
                keep.note(item);
            }
            polled
        });
        let extra = this.extra.get_mut();
        let operation = extra.as_deref().is_some_and(Extra::is_operation);
        let before = ambient::registrations();
        let frame = InRace::enter(cancelling, operation);
        let polled = match extra {
            Some(extra) => {
                let mut pulled = None;
                let polled = extra.poll_work(Pin::new(&mut next), &mut pulled, cx);
                match pulled {
                    Some(pulled) => Poll::Ready(pulled),
                    None => polled.map(|()| unreachable!("it is there when it is ready")),
                }
            }
            None => Pin::new(&mut next).poll(cx).map(Ok),
        };
        drop(frame);
        if ambient::registrations() != before {
            protect(extra, before);
        }
        polled
    }

    /// As [`wait`](Self::wait), for a stream that may be an operation.
    fn wait_apart(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.as_mut().project();
        let mut unknown = std::mem::take(this.free_looks) > 0;
        if let Some(extra) = this.extra.get_mut() {
            // A race around it waits for clean-up only while it waits for an item. In between it is
            // the caller whom that race would drop, and it could not know when to ask again.
            unknown |= E::CLEANS_UP && extra.hold_clean_up();
        }
        if unknown {
            if let Poll::Ready(reason) = self.as_mut().ask(false, cx) {
                return Poll::Ready(reason);
            }
        }
        self.wait(cx)
    }

    /// Takes in an item, and tells what to hand out for it.
    fn accept(self: Pin<&mut Self>, item: St::Item) -> Option<M::Item> {
        let this = self.project();
        let extra = this.extra.get_mut();
        let operation = extra.as_deref().and_then(Extra::operation);
        let count = this.desk.keep.count();
        if let (Some(operation), Some(0)) = (operation, count.checked_rem(this.desk.report_every)) {
            let rest = this.stream.as_pin_mut().map(|stream| contain(|| stream.size_hint()));
            // Its panic has been printed. The item is to be handed out all the same.
            let rest = rest.and_then(Result::ok).unwrap_or((0, None));
            operation.report_progress(progress(count, rest));
        }
        let handed_out = this.desk.accept(item);
        if let (true, Some(extra), true) = (E::CLEANS_UP, extra, handed_out.is_some()) {
            extra.release_clean_up();
        }
        handed_out
    }
}

/// How far a stream has got that has handed over so many items, and says that so many are to come.
fn progress(count: u64, rest: (usize, Option<usize>)) -> Progress {
    let total = match rest {
        (least, Some(most)) if least == most => {
            u64::try_from(most).ok().and_then(|most| count.checked_add(most))
        }
        _ => None,
    };
    let progress = match total {
        Some(total) => Progress::steps(count, total),
        None => Progress::default(),
    };
    progress.with_message("streaming").with("items", count.to_string())
}
