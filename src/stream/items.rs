//! The buffer between the stream and the consumer. It hands out items one by one or in chunks, and takes
//! the values out of items that are results.

use std::ops::ControlFlow;

#[cfg(feature = "time")]
use super::idle_timeout::IdleTimeout;
use super::partial::PartialWriter;
use crate::error::Cancelled;

/// Decides how the items `I` of a stream are handed out, and whether an `Err` item ends the stream. This trait is
/// sealed. [`Items`], [`Chunks`] and [`Results`] implement it.
pub trait Batching<I>: sealed::Sealed {
    /// The `Ok` type of the items that are handed out: an item, or a chunk of items.
    type Item;
    /// The type of an item in a chunk and in the partial result.
    type Kept;
    /// The `Err` type of the items that are handed out.
    type Error: From<Cancelled>;
    /// The outcome of a stream that was not cancelled: `()`, or a `Result` if an `Err` item can end the stream.
    type End;

    /// Returns the item, or, if it is an `Err` that ends the stream, the outcome of the stream.
    #[doc(hidden)]
    fn split(item: I) -> ControlFlow<Self::End, Self::Kept>;

    /// Returns the outcome of a stream that has returned `None`.
    #[doc(hidden)]
    fn end() -> Self::End;

    /// Returns the error to hand out last, if there is one.
    #[doc(hidden)]
    fn error(outcome: Result<Self::End, Cancelled>) -> Option<Self::Error>;

    /// Takes an item, and returns the item or chunk to hand out now, if there is one. `chunk` holds the items that were
    /// taken earlier and have not been handed out yet.
    #[doc(hidden)]
    fn push(&self, item: Self::Kept, chunk: &mut Vec<Self::Kept>) -> Option<Self::Item>;

    /// Returns the incomplete chunk at the end of the stream, if there is one.
    #[doc(hidden)]
    fn finish(&self, chunk: &mut Vec<Self::Kept>) -> Option<Self::Item>;

    /// Returns the maximum number of items or chunks still to be handed out, if the stream has at most `upper` more items
    /// and the chunk has `buffered` items.
    #[doc(hidden)]
    fn upper_bound(&self, upper: usize, buffered: usize) -> Option<usize>;
}

mod sealed {
    #[allow(unreachable_pub, reason = "seals a trait by being unreachable")]
    pub trait Sealed {}

    impl Sealed for super::Items {}
    impl Sealed for super::Chunks {}
    impl<B> Sealed for super::Results<B> {}
}

/// Hands out each item by itself.
#[derive(Clone, Copy, Debug)]
pub struct Items;

/// Hands out vectors of a fixed number of items. [`chunks`](crate::CancelableStream::chunks)
/// creates it.
#[derive(Clone, Copy, Debug)]
pub struct Chunks {
    /// At least one.
    pub(super) size: usize,
}

/// Hands out the values of items that are results. The first `Err` ends the stream.
/// [`try_cancelable_stream`](crate::CancelableStreamExt::try_cancelable_stream) creates it.
#[derive(Clone, Copy, Debug)]
pub struct Results<B = Items>(pub(super) B);

/// The maximum initial capacity of the first chunk. The capacity is limited because the size of a chunk may far exceed the
/// number of items in the stream.
const FIRST_CAPACITY: usize = 64;

/// The parts of [`Batching`] for streams in which an `Err` is an item like any other.
macro_rules! every_item_is_kept {
    ($I:ty) => {
        type Kept = $I;
        type Error = Cancelled;
        type End = ();

        #[inline]
        fn split(item: $I) -> ControlFlow<(), $I> {
            ControlFlow::Continue(item)
        }

        fn end() {}

        fn error(outcome: Result<(), Cancelled>) -> Option<Cancelled> {
            outcome.err()
        }
    };
}

impl<I> Batching<I> for Items {
    type Item = I;

    every_item_is_kept!(I);

    #[inline]
    fn push(&self, item: I, _chunk: &mut Vec<I>) -> Option<I> {
        Some(item)
    }

    fn finish(&self, _chunk: &mut Vec<I>) -> Option<I> {
        None
    }

    fn upper_bound(&self, upper: usize, _buffered: usize) -> Option<usize> {
        Some(upper)
    }
}

impl<I> Batching<I> for Chunks {
    type Item = Vec<I>;

    every_item_is_kept!(I);

    #[inline]
    fn push(&self, item: I, chunk: &mut Vec<I>) -> Option<Vec<I>> {
        if chunk.capacity() == 0 {
            chunk.reserve_exact(self.size.min(FIRST_CAPACITY));
        }
        chunk.push(item);
        if chunk.len() < self.size {
            return None;
        }
        // The next chunk will probably be full too.
        Some(std::mem::replace(chunk, Vec::with_capacity(self.size)))
    }

    fn finish(&self, chunk: &mut Vec<I>) -> Option<Vec<I>> {
        Some(std::mem::take(chunk)).filter(|chunk| !chunk.is_empty())
    }

    fn upper_bound(&self, upper: usize, buffered: usize) -> Option<usize> {
        Some(upper.checked_add(buffered)?.div_ceil(self.size))
    }
}

impl<T, X: From<Cancelled>, B: Batching<T>> Batching<Result<T, X>> for Results<B> {
    type Item = B::Item;
    type Kept = B::Kept;
    type Error = X;
    type End = Result<B::End, X>;

    #[inline]
    fn split(item: Result<T, X>) -> ControlFlow<Result<B::End, X>, B::Kept> {
        match item {
            Ok(item) => B::split(item).map_break(Ok),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    }

    fn end() -> Result<B::End, X> {
        Ok(B::end())
    }

    fn error(outcome: Result<Result<B::End, X>, Cancelled>) -> Option<X> {
        match outcome {
            Ok(end) => end.err(),
            Err(cancelled) => Some(cancelled.into()),
        }
    }

    #[inline]
    fn push(&self, item: B::Kept, chunk: &mut Vec<B::Kept>) -> Option<B::Item> {
        self.0.push(item, chunk)
    }

    fn finish(&self, chunk: &mut Vec<B::Kept>) -> Option<B::Item> {
        self.0.finish(chunk)
    }

    fn upper_bound(&self, upper: usize, buffered: usize) -> Option<usize> {
        self.0.upper_bound(upper, buffered)
    }
}

/// Handles items on their way from the stream to the consumer.
pub(super) struct ItemBuffer<T, M> {
    pub(super) partial: PartialWriter<T>,
    pub(super) batching: M,
    #[cfg(feature = "time")]
    pub(super) idle: Option<IdleTimeout>,
    /// Progress is reported each time the number of items is a multiple of this. Zero means never.
    pub(super) report_every: u64,
}

impl<T, M> ItemBuffer<T, M> {
    pub(super) fn new(batching: M) -> Self {
        ItemBuffer {
            partial: PartialWriter::new(),
            batching,
            #[cfg(feature = "time")]
            idle: None,
            report_every: 0,
        }
    }

    pub(super) fn map_batching<N>(self, map: impl FnOnce(M) -> N) -> ItemBuffer<T, N> {
        ItemBuffer {
            partial: self.partial,
            batching: map(self.batching),
            #[cfg(feature = "time")]
            idle: self.idle,
            report_every: self.report_every,
        }
    }

    /// Takes an item of the stream, and returns the item or chunk to hand out now, if there is one.
    #[inline]
    pub(super) fn push<I>(&mut self, item: T) -> Option<M::Item>
    where
        M: Batching<I, Kept = T>,
    {
        #[cfg(feature = "time")]
        if let Some(idle) = &mut self.idle {
            idle.restart();
        }
        self.batching.push(item, self.partial.chunk())
    }

    /// Returns the incomplete chunk of a stream that has ended, if there is one.
    pub(super) fn finish<I>(&mut self) -> Option<M::Item>
    where
        M: Batching<I, Kept = T>,
    {
        self.batching.finish(self.partial.chunk())
    }

    pub(super) fn upper_bound<I>(&self, upper: usize) -> Option<usize>
    where
        M: Batching<I, Kept = T>,
    {
        self.batching.upper_bound(upper, self.partial.chunk_len())
    }
}
