//! What only the run of an operation does with it: it starts it, and ends it.

use std::fmt::Display;
use std::time::Instant;

use super::inner::{Inner, Outcome};
use super::{Operation, Status};
use crate::panic::contain;
use crate::source::WaitForCancellationOwned;
use crate::text::Text;
use crate::{Reason, clock};

impl Operation {
    /// Starts it, below the operation that is current. Only the run does this, once, and then
    /// [tells](Self::tell_start) of it.
    #[inline]
    pub(crate) fn start(&mut self) -> Instant {
        self.inner.enter_current();
        let now = clock::now();
        Inner::start(&mut self.inner, now);
        now
    }

    /// Calls the hooks of the start, where the operation is the current one. Tells whether there may
    /// have been any.
    #[inline]
    pub(crate) fn tell_start(&self, watched: bool) -> bool {
        if watched {
            self.tell_started();
        }
        self.inner.hooks.start(self)
    }

    /// Why it is cancelled, where it is known to be.
    pub(crate) fn cause(&self) -> Reason {
        self.reason().unwrap_or(Reason::Dropped)
    }

    /// Ready once it is cancelled, on its own.
    pub(crate) fn cancelled_owned(&self) -> WaitForCancellationOwned {
        self.inner.token().clone().cancelled_owned()
    }

    /// Why it is cancelled where its run is dropped.
    pub(crate) fn dropped(&self) -> Reason {
        self.inner.dropped()
    }

    /// Its time is over by then at the latest.
    #[inline]
    pub(crate) fn limit(&self, at: Instant) {
        self.inner.limit(Some(at));
    }

    /// Ends with a value.
    pub(crate) fn complete(&self) {
        self.end(Outcome::Completed, None, &"");
    }

    /// Ends with an error that the work returned: cancelled if it has a cause, otherwise failed.
    pub(crate) fn end_with_error(&self, error: &dyn Display) {
        self.end(Outcome::Err, Some(text_of(error)), error);
    }

    /// Ends with a panic of the work.
    pub(crate) fn end_panicked(&self, error: &dyn Display) {
        self.end(Outcome::Panicked, Some(text_of(error)), error);
    }

    /// Ends because it was cancelled. After its end this changes nothing.
    pub(crate) fn end_cancelled(&self, reason: Reason) {
        if self.inner.ended.get().is_none() {
            self.inner.token().cancel_with(reason);
            self.end(Outcome::Cancelled, None, &"");
        }
    }

    /// Records the end, unless there is one, and calls the hooks of it.
    fn end(&self, outcome: Outcome, text: Option<Text>, error: &dyn Display) {
        let Some(status) = self.inner.end(outcome, text) else { return };
        match status {
            Status::Completed => self.inner.hooks.complete(self),
            Status::Failed => self.inner.hooks.fail(self, error),
            _ => {
                if let Some(reason) = self.inner.cause() {
                    self.inner.hooks.cancel(self, &reason);
                }
            }
        }
        self.inner.hooks.forget(status);
        self.leave();
    }

    /// Its run is gone and was never polled: no hook will run.
    pub(crate) fn forget_hooks(&self) {
        self.inner.hooks.forget_all();
    }

    /// Ends because its run was dropped before its end.
    pub(crate) fn end_dropped(&self) {
        if self.inner.ended.get().is_none() {
            let _inside = self.enter();
            self.end_cancelled(self.inner.dropped());
        }
    }
}

/// The text of an error. Its `Display` is user code and may panic.
fn text_of(error: &dyn Display) -> Text {
    let text = contain(|| error.to_string());
    text.unwrap_or_else(|message| format!("panicked: {message}")).into()
}
