//! `JoinsChildren`: makes an operation wait for its children before its clean-up.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

use super::{Ending, ErrorOf, clean_up_after_earlier, passed_to_earlier, sealed};
use crate::error::Cancelled;
use crate::text::Text;

/// The ending that [`joins_children`](crate::Cancelable::joins_children) and
/// [`cancels_children`](crate::Cancelable::cancels_children) add to an operation.
///
/// This ending only requests the wait, and stores the outcome during the wait. The race itself waits, before it polls any
/// clean-up.
#[pin_project]
pub struct JoinsChildren<T, E> {
    #[pin]
    earlier: E,
    /// The outcome of the race is stored here while children are running or clean-up is pending.
    outcome: Option<Result<T, Cancelled>>,
}

impl<T, E> JoinsChildren<T, E> {
    pub(crate) fn new(earlier: E) -> Self {
        JoinsChildren { earlier, outcome: None }
    }
}

impl<T, E: Ending<T>> sealed::Ending<T> for JoinsChildren<T, E> {
    clean_up_after_earlier!(T, joins: true);
    passed_to_earlier!(T);

    fn note_started(self: Pin<&mut Self>) {
        self.project().earlier.note_started();
    }

    fn owes_clean_up(&self) -> bool {
        self.earlier.owes_clean_up()
    }

    fn hand_over(self: Pin<&mut Self>) {
        self.project().earlier.hand_over();
    }

    fn poll_clean_up(
        mut self: Pin<&mut Self>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.as_mut().restore_outcome(outcome);
        self.project().earlier.poll_clean_up(outcome, cx)
    }
}

impl<T, E> fmt::Debug for JoinsChildren<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinsChildren")
    }
}
