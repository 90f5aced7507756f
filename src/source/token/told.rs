//! `Told`: who is to hear of a cancellation that is under way.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::wait::ManyWakers;

/// Who is to hear of it, of a tree whose nodes are of type `N`.
#[derive(Debug)]
pub(super) struct Told<N> {
    /// Those that have been flipped, but not those below them. What is nearer to the top comes first.
    pub(super) flipped: VecDeque<Arc<N>>,
    /// Those who wait for any that has been flipped.
    pub(super) waiters: ManyWakers,
    /// Those that have callbacks.
    pub(super) called: Vec<Arc<N>>,
}

impl<N> Default for Told<N> {
    fn default() -> Self {
        Told { flipped: VecDeque::new(), waiters: ManyWakers::default(), called: Vec::new() }
    }
}
