//! `CancelableSink`: a sink raced against a source.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Sink, Stream};
use pin_project::pin_project;

use super::beside::Beside;
use super::wrapper_methods;
use crate::error::Cancelled;
use crate::reason::Reason;
use crate::source::Source;

/// A sink raced against a source. [`cancelable_sink`](super::CancelableSinkExt::cancelable_sink) creates it.
///
/// # Examples
///
/// The receiver is too slow, so the limit cancels the sink:
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing;
/// use futures::{SinkExt, channel::mpsc};
/// use std::error::Error;
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let (sender, _receiver) = mpsc::channel(0);
/// let sender = sender.sink_map_err(Box::<dyn Error>::from);
/// let mut sender = sender.cancelable_sink(never()).idle_timeout(second);
/// let outcome = testing::run(async {
///     sender.send("first").await?;
///     sender.send("second").await
/// });
/// assert_eq!(outcome.unwrap_err().to_string(), "timed out after 1s");
/// ```
#[pin_project]
#[must_use = "a sink does nothing unless items are sent to it"]
pub struct CancelableSink<T, S> {
    #[pin]
    inner: T,
    #[pin]
    beside: Beside<S>,
}

wrapper_methods!(
    CancelableSink,
    "sink",
    "futures::channel::mpsc::channel::<u8>(1).0.sink_map_err(|_| Cancelled::new(\"full\")).cancelable_sink(never())"
);

impl<T, S: Future<Output = Reason>> CancelableSink<T, S> {
    /// Races `sink` against `source`, like [`cancelable_sink`](super::CancelableSinkExt::cancelable_sink).
    ///
    /// ```
    /// use cancelable::io::CancelableSink;
    /// use cancelable::never;
    /// let sink = CancelableSink::new(futures::sink::drain::<u8>(), never());
    /// assert!(sink.cancelled().is_none());
    /// ```
    pub fn new(sink: T, source: impl Source<Future = S>) -> Self {
        CancelableSink { inner: sink, beside: Beside::new(source.into_source()) }
    }
}

impl<T, S, Item> Sink<Item> for CancelableSink<T, S>
where
    T: Sink<Item, Error: From<Cancelled>>,
    S: Future<Output = Reason>,
{
    type Error = T::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        let this = self.project();
        this.beside.poll(cx, |cx| this.inner.poll_ready(cx)).map(|outcome| outcome?)
    }

    fn start_send(self: Pin<&mut Self>, item: Item) -> Result<(), T::Error> {
        let this = self.project();
        match this.beside.cancelled() {
            Some(cancelled) => Err(cancelled.clone().into()),
            // `poll_ready` has reported that there is room, so the item is accepted even if the source has fired since.
            None => this.inner.start_send(item),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        let this = self.project();
        this.beside.poll(cx, |cx| this.inner.poll_flush(cx)).map(|outcome| outcome?)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        let this = self.project();
        this.beside.poll(cx, |cx| this.inner.poll_close(cx)).map(|outcome| outcome?)
    }
}

/// Items pass through: the source does not cancel them.
impl<T: Stream, S> Stream for CancelableSink<T, S> {
    type Item = T::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        self.project().inner.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
