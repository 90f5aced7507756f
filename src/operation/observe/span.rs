//! `OperationSpan`: the span of an operation, with the feature `tracing`.

#[cfg(not(feature = "tracing"))]
pub(super) use none::OperationSpan;
#[cfg(not(feature = "tracing"))]
pub(crate) use none::{Entered, SpanMaker};
#[cfg(feature = "tracing")]
pub(super) use real::OperationSpan;
#[cfg(feature = "tracing")]
pub(crate) use real::{Entered, SpanMaker};

#[cfg(feature = "tracing")]
mod real {
    use std::sync::Arc;
    use std::time::Duration;

    use tracing::field::Empty;
    use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
    use tracing::{Level, Span, info, info_span};

    use crate::operation::current::is_current;
    use crate::operation::observe::on::End;
    use crate::operation::{Operation, Status};
    use crate::panic::{contain, discard};
    use crate::reason::Reason;
    use crate::sync::Mutex;
    use crate::text::Text;

    /// The target of spans and of the events in them.
    const TARGET: &str = "cancelable::operation";

    type MakeSpan = Box<dyn FnOnce(&Operation) -> Span + Send>;

    /// Creates the span of an operation when the operation starts.
    // The lock is never contended. It is there because the closure is not `Sync`, and a race must be `Sync` if its parts are.
    #[derive(Default)]
    pub(crate) struct SpanMaker(Mutex<Option<MakeSpan>>);

    impl SpanMaker {
        /// Makes the span with `make`, instead of the default span. If this is called again, the last closure is used.
        pub(crate) fn set(&mut self, make: impl FnOnce(&Operation) -> Span + Send + 'static) {
            let earlier = self.0.get_mut().replace(Box::new(make));
            discard(earlier);
        }

        /// Returns false if no subscriber wants a span. Costs a load and a comparison.
        #[inline]
        pub(in crate::operation::observe) fn is_wanted(&mut self) -> bool {
            (Level::INFO <= STATIC_MAX_LEVEL && Level::INFO <= LevelFilter::current())
                || self.0.get_mut().is_some()
        }

        /// Makes the span, as a child of the parent's span.
        #[inline]
        pub(in crate::operation::observe) fn make(
            &mut self,
            operation: &Operation,
        ) -> OperationSpan {
            match self.0.get_mut().take() {
                Some(make) => user_span(operation, make),
                None => OperationSpan::new(|| default_span(operation)),
            }
        }
    }

    #[inline(never)]
    fn user_span(operation: &Operation, make: MakeSpan) -> OperationSpan {
        OperationSpan::new(|| parent_span(operation).in_scope(|| make(operation)))
    }

    /// Makes the default span. If the span is disabled, none of its fields is computed.
    #[inline]
    fn default_span(operation: &Operation) -> Span {
        let name = || operation.inner.details.lock().name.clone();
        info_span!(
            target: TARGET,
            parent: parent_span(operation).id(),
            "operation",
            otel.name = name().as_deref(),
            otel.status_code = Empty,
            operation.id = operation.id().as_u64(),
            operation.name = name().as_deref(),
            operation.parent_id = operation.parent_id().map(|id| id.as_u64()),
            operation.outcome = Empty,
            operation.reason = Empty,
            operation.reason_kind = Empty,
            operation.error = Empty,
            operation.work_ns = Empty,
            operation.stopping_ns = Empty,
            operation.clean_up_ns = Empty,
        )
    }

    /// Returns the parent for the span of an operation.
    ///
    /// Looks for the nearest ancestor that has a span. If the current operation is that ancestor or is nearer, returns the
    /// current span instead: user code in the current operation may have entered a span of its own. Also returns the current
    /// span if no ancestor has a span.
    fn parent_span(operation: &Operation) -> Span {
        let mut next = operation.parent().0;
        // Not recursive: chains may be long.
        while let Some(parent) = next {
            if is_current(&parent.inner) {
                break;
            }
            let span = parent.span();
            if !span.is_disabled() {
                return span;
            }
            next = parent.parent().0;
        }
        Span::current()
    }

    /// The span of an operation, until the operation has ended.
    // The span is in an `Arc`, because it is cloned under the lock. Cloning the `Span` itself would call the subscriber, which is
    // user code.
    pub(in crate::operation::observe) struct OperationSpan(Mutex<Option<Arc<Span>>>);

    impl OperationSpan {
        /// Calls `make`, which creates the span. A panic of `make` is contained.
        #[inline(always)]
        fn new(make: impl FnOnce() -> Span) -> Self {
            let enabled = || Some(make()).filter(|span| !span.is_disabled()).map(Arc::new);
            OperationSpan(Mutex::new(contain(enabled).unwrap_or_default()))
        }

        pub(in crate::operation::observe) fn is_disabled(&mut self) -> bool {
            self.0.get_mut().is_none()
        }

        pub(in crate::operation::observe) fn get(&self) -> Option<Arc<Span>> {
            self.0.lock().clone()
        }

        pub(in crate::operation::observe) fn enter(&self) -> Entered {
            Entered::new(self.get())
        }

        /// Calls `write`, which writes an event into the span.
        fn event(&self, write: impl FnOnce(&Span)) {
            if let Some(span) = self.get() {
                let _ = contain(|| write(&span));
                discard(span);
            }
        }

        pub(in crate::operation::observe) fn requested(&self, reason: &Reason) {
            self.event(|span| {
                let kind = reason.kind().as_str();
                info!(target: TARGET, parent: span, %reason, reason_kind = kind, "cancel requested");
            });
        }

        #[cfg(feature = "time")]
        pub(in crate::operation::observe) fn grace_begins(&self) {
            self.event(|span| info!(target: TARGET, parent: span, "grace period begins"));
        }

        #[cfg(feature = "time")]
        pub(in crate::operation::observe) fn forced(&self) {
            self.event(|span| info!(target: TARGET, parent: span, "forced"));
        }

        pub(in crate::operation::observe) fn waits_for_shield(&self, name: Option<&Text>) {
            self.event(|span| {
                let shield = name.map(Text::as_str);
                info!(target: TARGET, parent: span, shield, "waits for a shield");
            });
        }

        pub(in crate::operation::observe) fn waits_for_children(&self) {
            self.event(|span| info!(target: TARGET, parent: span, "waits for its children"));
        }

        /// Records the end in the span, and gives up the span.
        pub(in crate::operation::observe) fn close(&self, end: &End) {
            let span = self.0.lock().take();
            if let Some(span) = &span {
                let _ = contain(|| record(span, end));
            }
            discard(span);
        }
    }

    fn record(span: &Span, end: &End) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        span.record("operation.outcome", end.status.as_str());
        if let Some(reason) = &end.reason {
            span.record("operation.reason", tracing::field::display(reason));
            span.record("operation.reason_kind", reason.kind().as_str());
        }
        if let Some(error) = &end.error {
            span.record("operation.error", error.as_str());
        }
        if end.status == Status::Failed {
            span.record("otel.status_code", "ERROR");
        }
        span.record("operation.work_ns", nanos(end.work));
        if let Some(stopping) = end.stopping {
            span.record("operation.stopping_ns", nanos(stopping));
        }
        span.record("operation.clean_up_ns", nanos(end.clean_up));
    }

    /// Keeps a span entered on this thread until this guard is dropped.
    #[derive(Default)]
    pub(crate) struct Entered(Option<Arc<Span>>);

    impl Entered {
        fn new(span: Option<Arc<Span>>) -> Self {
            let Some(span) = span else { return Entered(None) };
            let enter = || span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
            if contain(enter).is_ok() {
                Entered(Some(span))
            } else {
                discard(span);
                Entered(None)
            }
        }
    }

    impl Drop for Entered {
        #[inline]
        fn drop(&mut self) {
            if let Some(span) = self.0.take() {
                leave(span);
            }
        }
    }

    fn leave(span: Arc<Span>) {
        let exit = || span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
        // If the subscriber panics, the panic hook prints the panic. No caller could do more about it.
        let _ = contain(exit);
        // If the operation has ended, this may be the last handle of the span. Then the span closes here.
        discard(span);
    }

    impl Operation {
        /// Returns the span of the operation. Use it to add fields to the span, or to link it from other spans.
        ///
        /// Returns a disabled span before the first poll, after the end, and if no subscriber is interested. The span stays
        /// open as long as a returned handle exists. Inside the operation you do not need this method, because the span is
        /// [entered](Span::enter) around each poll.
        ///
        /// ```
        /// use cancelable::prelude::*;
        ///
        /// let future = async {}.cancelable(never()).named("fetch");
        /// assert!(future.operation().span().is_disabled());
        /// ```
        pub fn span(&self) -> Span {
            let span = self.activity().and_then(|activity| activity.observed.span());
            span.map_or_else(Span::none, |span| Span::clone(&span))
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod none {
    use crate::operation::Operation;
    use crate::operation::observe::on::End;
    use crate::reason::Reason;
    use crate::text::Text;

    #[derive(Default)]
    pub(crate) struct SpanMaker(());

    impl SpanMaker {
        pub(in crate::operation::observe) fn is_wanted(&mut self) -> bool {
            false
        }

        pub(in crate::operation::observe) fn make(
            &mut self,
            _operation: &Operation,
        ) -> OperationSpan {
            OperationSpan
        }
    }

    pub(in crate::operation::observe) struct OperationSpan;

    impl OperationSpan {
        pub(in crate::operation::observe) fn is_disabled(&mut self) -> bool {
            true
        }

        pub(in crate::operation::observe) fn enter(&self) -> Entered {
            Entered
        }

        pub(in crate::operation::observe) fn requested(&self, _reason: &Reason) {}

        #[cfg(feature = "time")]
        pub(in crate::operation::observe) fn grace_begins(&self) {}

        #[cfg(feature = "time")]
        pub(in crate::operation::observe) fn forced(&self) {}

        pub(in crate::operation::observe) fn waits_for_shield(&self, _name: Option<&Text>) {}

        pub(in crate::operation::observe) fn waits_for_children(&self) {}

        pub(in crate::operation::observe) fn close(&self, _end: &End) {}
    }

    #[derive(Default)]
    pub(crate) struct Entered;
}
