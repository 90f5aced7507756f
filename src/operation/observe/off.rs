//! `Observed` without the features `tracing` and `metrics`: it does nothing.

use std::time::Instant;

use crate::operation::Operation;
use crate::text::Text;

#[derive(Default)]
pub(crate) struct SpanMaker(());

pub(crate) struct Entered;

#[derive(Default)]
pub(crate) struct Observed(());

impl Observed {
    pub(crate) fn is_observed(&self) -> bool {
        false
    }

    pub(crate) fn enter(&self) -> Entered {
        Entered
    }

    #[cfg(feature = "time")]
    pub(crate) fn grace_begins(&self) {}

    #[cfg(feature = "time")]
    pub(crate) fn forced(&self) {}

    pub(crate) fn waits_for_shield(&self, _name: Option<&Text>) {}

    pub(crate) fn waits_for_children(&self) {}

    pub(crate) fn work_is_over(&self) {}

    pub(crate) fn ended(&self, _operation: &Operation) {}
}

impl Operation {
    #[inline(always)]
    pub(crate) fn observe(&self, _at: Instant, _span: &mut SpanMaker) -> bool {
        false
    }
}
