//! The buffer between the stream and the consumer: items one by one, or in chunks.

#[cfg(feature = "time")]
use super::idle_timeout::IdleTimeout;
use super::partial::PartialWriter;

/// How items are handed out. This trait is sealed; [`Items`] and [`Chunks`] implement it.
pub trait Batching<T>: sealed::Batching<T, Out = <Self as Batching<T>>::Item> {
    /// The type that is handed out: an item or a chunk.
    type Item;
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

/// The largest capacity of the first chunk. Until a chunk has been filled, its size may be far more
/// than the stream has.
const FIRST_CAPACITY: usize = 64;

mod sealed {
    #[allow(unreachable_pub, reason = "part of a trait that is sealed by being unreachable")]
    pub trait Batching<T> {
        type Out;

        /// Takes an item, and returns what is to be handed out now. `chunk` holds the items taken
        /// earlier and not yet handed out.
        fn push(&self, item: T, chunk: &mut Vec<T>) -> Option<Self::Out>;

        /// Returns the incomplete chunk at the end of the stream.
        fn finish(&self, chunk: &mut Vec<T>) -> Option<Self::Out>;

        /// Returns how much will be handed out at most if the stream has `upper` more items and
        /// `buffered` are in the chunk.
        fn upper_bound(&self, upper: usize, buffered: usize) -> Option<usize>;
    }
}

impl<T> Batching<T> for Items {
    type Item = T;
}

impl<T> sealed::Batching<T> for Items {
    type Out = T;

    #[inline]
    fn push(&self, item: T, _chunk: &mut Vec<T>) -> Option<T> {
        Some(item)
    }

    fn finish(&self, _chunk: &mut Vec<T>) -> Option<T> {
        None
    }

    fn upper_bound(&self, upper: usize, _buffered: usize) -> Option<usize> {
        Some(upper)
    }
}

impl<T> Batching<T> for Chunks {
    type Item = Vec<T>;
}

impl<T> sealed::Batching<T> for Chunks {
    type Out = Vec<T>;

    #[inline]
    fn push(&self, item: T, chunk: &mut Vec<T>) -> Option<Vec<T>> {
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

    fn finish(&self, chunk: &mut Vec<T>) -> Option<Vec<T>> {
        Some(std::mem::take(chunk)).filter(|chunk| !chunk.is_empty())
    }

    fn upper_bound(&self, upper: usize, buffered: usize) -> Option<usize> {
        Some(upper.checked_add(buffered)?.div_ceil(self.size))
    }
}

/// What happens to items between the stream and the consumer.
pub(super) struct ItemBuffer<T, M> {
    pub(super) partial: PartialWriter<T>,
    pub(super) batching: M,
    #[cfg(feature = "time")]
    pub(super) idle: Option<IdleTimeout>,
    /// Progress is reported each time the count is a multiple of this. Zero: never.
    pub(super) report_every: u64,
}

impl<T> ItemBuffer<T, Items> {
    pub(super) fn new() -> Self {
        ItemBuffer {
            partial: PartialWriter::new(),
            batching: Items,
            #[cfg(feature = "time")]
            idle: None,
            report_every: 0,
        }
    }

    pub(super) fn with_batching<M>(self, batching: M) -> ItemBuffer<T, M> {
        ItemBuffer {
            partial: self.partial,
            batching,
            #[cfg(feature = "time")]
            idle: self.idle,
            report_every: self.report_every,
        }
    }
}

impl<T, M: Batching<T>> ItemBuffer<T, M> {
    /// Takes an item of the stream, and returns what is to be handed out now.
    #[inline]
    pub(super) fn push(&mut self, item: T) -> Option<M::Item> {
        #[cfg(feature = "time")]
        if let Some(idle) = &mut self.idle {
            idle.restart();
        }
        self.batching.push(item, self.partial.chunk())
    }

    /// Returns the incomplete chunk of a stream that has ended.
    pub(super) fn finish(&mut self) -> Option<M::Item> {
        self.batching.finish(self.partial.chunk())
    }

    pub(super) fn upper_bound(&self, upper: usize) -> Option<usize> {
        self.batching.upper_bound(upper, self.partial.chunk_len())
    }
}
