//! `never`: a source that never fires.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use crate::reason::Reason;

/// Creates a source that never fires. Use it if a function requires a source and you have none.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let done = async { 7 }.cancelable(never()).await?;
/// assert_eq!(done, 7);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
pub fn never() -> Never {
    Never { _private: () }
}

/// Source of [`never()`].
#[derive(Clone, Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Never {
    _private: (),
}

impl Future for Never {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Reason> {
        Poll::Pending
    }
}

impl FusedFuture for Never {
    /// Always returns true, so that `select!` does not poll this future, which never becomes ready.
    fn is_terminated(&self) -> bool {
        true
    }
}
