//! `NetworkInput`: what a `Network` can deliver.

/// Text or bytes that a [`Network`](super::Network) delivers. The chunks of a `&str` or `&[u8]` borrow from the input. The
/// chunks of a `String` or `Vec<u8>` are owned, and have the type of the input.
///
/// This trait is implemented for these types only.
pub trait NetworkInput: sealed::Cut + Unpin {
    /// The type of the chunks.
    type Chunk;

    #[doc(hidden)]
    fn part(&self, from: usize, to: usize) -> Self::Chunk;
}

pub(super) mod sealed {
    pub trait Cut {
        /// Returns the length in bytes.
        fn length(&self) -> usize;

        /// Returns the end of a chunk that begins at `from` and has `size` characters or bytes. If the input ends
        /// earlier, returns the end of the input.
        fn end_of_chunk(&self, from: usize, size: usize) -> usize;
    }

    impl Cut for str {
        fn length(&self) -> usize {
            self.len()
        }

        fn end_of_chunk(&self, from: usize, size: usize) -> usize {
            let end = self[from..].char_indices().nth(size);
            end.map_or(self.len(), |(end, _)| from + end)
        }
    }

    impl Cut for [u8] {
        fn length(&self) -> usize {
            self.len()
        }

        fn end_of_chunk(&self, from: usize, size: usize) -> usize {
            from.saturating_add(size).min(self.len())
        }
    }
}

macro_rules! inputs {
    ($([$($life:lifetime)?] $input:ty, as $whole:ty => $chunk:ty;)*) => {$(
        impl $(<$life>)? sealed::Cut for $input {
            fn length(&self) -> usize {
                <$whole>::length(self)
            }

            fn end_of_chunk(&self, from: usize, size: usize) -> usize {
                <$whole>::end_of_chunk(self, from, size)
            }
        }

        impl $(<$life>)? NetworkInput for $input {
            type Chunk = $chunk;

            fn part(&self, from: usize, to: usize) -> $chunk {
                self[from..to].into()
            }
        }
    )*};
}

inputs! {
    ['a] &'a str, as str => &'a str;
    ['a] &'a [u8], as [u8] => &'a [u8];
    [] String, as str => String;
    [] Vec<u8>, as [u8] => Vec<u8>;
}
