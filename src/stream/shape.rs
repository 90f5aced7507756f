//! How items are handed out: each as it comes, or in chunks.

/// How items are handed out. This trait is sealed: [`Each`] and [`InChunks`] implement it.
pub trait Shape<T>: sealed::Shape<T, Out = <Self as Shape<T>>::Item> {
    /// What is handed out.
    type Item;
}

/// Each item as it comes.
#[derive(Clone, Copy, Debug)]
pub struct Each;

/// So many items at a time. Made by [`chunks`](crate::CancelableStream::chunks).
#[derive(Clone, Copy, Debug)]
pub struct InChunks {
    /// At least one.
    pub(super) size: usize,
}

/// Until it is known that a chunk of that size comes together, it is not made larger than this from
/// the start.
const FIRST_CHUNK: usize = 64;

mod sealed {
    #[allow(unreachable_pub, reason = "part of a trait that is sealed by being unreachable")]
    pub trait Shape<T> {
        type Out;

        /// Takes in an item. `hand` holds those that have been taken in and not handed out.
        fn accept(&self, item: T, hand: &mut Vec<T>) -> Option<Self::Out>;

        /// What is left at the end of the stream.
        fn rest(&self, hand: &mut Vec<T>) -> Option<Self::Out>;

        /// How many will be handed out at most, if so many items are to come and so many are in
        /// hand.
        fn most(&self, to_come: usize, in_hand: usize) -> Option<usize>;
    }
}

impl<T> Shape<T> for Each {
    type Item = T;
}

impl<T> sealed::Shape<T> for Each {
    type Out = T;

    #[inline]
    fn accept(&self, item: T, _hand: &mut Vec<T>) -> Option<T> {
        Some(item)
    }

    fn rest(&self, _hand: &mut Vec<T>) -> Option<T> {
        None
    }

    fn most(&self, to_come: usize, _in_hand: usize) -> Option<usize> {
        Some(to_come)
    }
}

impl<T> Shape<T> for InChunks {
    type Item = Vec<T>;
}

impl<T> sealed::Shape<T> for InChunks {
    type Out = Vec<T>;

    #[inline]
    fn accept(&self, item: T, hand: &mut Vec<T>) -> Option<Vec<T>> {
        if hand.capacity() == 0 {
            hand.reserve_exact(self.size.min(FIRST_CHUNK));
        }
        hand.push(item);
        if hand.len() < self.size {
            return None;
        }
        // The next one will be as large.
        Some(std::mem::replace(hand, Vec::with_capacity(self.size)))
    }

    fn rest(&self, hand: &mut Vec<T>) -> Option<Vec<T>> {
        Some(std::mem::take(hand)).filter(|rest| !rest.is_empty())
    }

    fn most(&self, to_come: usize, in_hand: usize) -> Option<usize> {
        Some(to_come.checked_add(in_hand)?.div_ceil(self.size))
    }
}
