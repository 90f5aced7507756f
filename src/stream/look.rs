//! How the source is asked before each item.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Reason;
use crate::wait::probe;

/// So many items in a row may be ready before the source is registered with, which the last look
/// does. A clock is read for each, where the source is a time limit.
pub(super) const FREE_LOOKS: u8 = 64 + 1;

/// Asks the source: without registering with it, as long as that is free.
#[inline]
pub(super) fn look<S: Future<Output = Reason>>(
    source: Pin<&mut S>,
    free_looks: &mut u8,
    cx: &mut Context<'_>,
) -> Poll<Reason> {
    if *free_looks == 0 { source.poll(cx) } else { look_first(source, free_looks, cx) }
}

/// The same, while there are such looks left: apart, so that it makes no other look larger.
#[inline(never)]
fn look_first<S: Future<Output = Reason>>(
    source: Pin<&mut S>,
    free_looks: &mut u8,
    cx: &mut Context<'_>,
) -> Poll<Reason> {
    if is_free(free_looks) {
        source.poll(&mut Context::from_waker(probe()))
    } else {
        source.poll(cx)
    }
}

/// Whether the source is asked without registering this time. Nothing left means that it has been
/// registered with, so the last look has to.
#[inline]
pub(super) fn is_free(looks: &mut u8) -> bool {
    *looks = looks.saturating_sub(1);
    *looks > 0
}
