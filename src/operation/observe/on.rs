//! `Observed` with at least one of the features `tracing` and `metrics`.
//!
//! 1. Subscribers and recorders are user code. They are called with no lock held, and their panics are contained.
//! 2. The request to cancel is reported at most once. Usually, a callback of the operation's token reports it. If the operation
//!    ends before that callback runs, the thread that ends the operation reports the request. If another thread is just
//!    running the callback when the operation ends, the event for the request may come just after the end, or not at all.
//! 3. An operation gives up its span when it ends. So the span closes then, even if handles of the operation remain. If another
//!    thread is just reporting the request, the span closes when that thread is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "metrics")]
use super::meter::Meter;
use super::span::{Entered, OperationSpan, SpanMaker};
use crate::clock;
use crate::operation::{Operation, Status};
use crate::panic::discard;
use crate::reason::Reason;
use crate::source::Registration;
use crate::sync::{Mutex, OnceLock};
use crate::text::Text;

/// The reports of an operation. Empty if no subscriber and no recorder was interested in the operation when it started.
#[derive(Default)]
pub(crate) struct Observed(OnceLock<Box<Observation>>);

struct Observation {
    span: OperationSpan,
    #[cfg(feature = "metrics")]
    meter: Option<Meter>,
    phases: Mutex<Phases>,
    /// The callback that reports the request to cancel. It is removed when the operation ends.
    on_request: Mutex<Option<Registration>>,
}

/// When the phases of an operation began.
struct Phases {
    started: Instant,
    requested: Option<Instant>,
    /// When the work was gone, which means that it had returned or been dropped.
    work_over: Option<Instant>,
    ended: bool,
}

/// The end of an operation, in the form in which it is reported.
#[cfg_attr(
    not(all(feature = "tracing", feature = "metrics")),
    allow(dead_code, reason = "spans and metrics each report a part of it")
)]
pub(super) struct End {
    pub(super) status: Status,
    /// Why the operation was cancelled, if it was.
    pub(super) reason: Option<Reason>,
    pub(super) error: Option<Text>,
    pub(super) duration: Duration,
    /// From the start until the work was gone.
    pub(super) work: Duration,
    /// From the request to cancel until the work was gone. `None` if the work was gone before, or there was no request.
    pub(super) stopping: Option<Duration>,
    /// From the moment when the work was gone until the end.
    pub(super) clean_up: Duration,
    /// From the request to cancel until the end.
    pub(super) cancellation: Option<Duration>,
    pub(super) longest_poll: Duration,
}

impl Operation {
    /// Begins to report the operation, which started at the time `at`, if a subscriber or a recorder is interested.
    /// Returns whether it does so.
    #[inline]
    pub(crate) fn observe(&self, at: Instant, span: &mut SpanMaker) -> bool {
        #[cfg(feature = "metrics")]
        let metered = crate::metrics::is_enabled();
        #[cfg(not(feature = "metrics"))]
        let metered = false;
        (metered || span.is_wanted()) && self.observe_if_wanted(at, span, metered)
    }

    /// Makes the span. If the subscriber filters the span out, this method does nothing else, and costs only 60
    /// instructions, because the rest is in `observe_slow`.
    #[inline(never)]
    fn observe_if_wanted(&self, at: Instant, span: &mut SpanMaker, metered: bool) -> bool {
        let mut span = span.make(self);
        if !metered && span.is_disabled() {
            return false;
        }
        self.observe_slow(at, span, metered);
        true
    }

    #[inline(never)]
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, reason = "there is no meter"))]
    fn observe_slow(&self, at: Instant, span: OperationSpan, metered: bool) {
        let phases = Phases { started: at, requested: None, work_over: None, ended: false };
        let observation = Box::new(Observation {
            span,
            #[cfg(feature = "metrics")]
            meter: metered.then(|| Meter::begin(self)),
            phases: Mutex::new(phases),
            on_request: Mutex::default(),
        });
        let observed = &self.make_activity().observed;
        // This cannot fail, because an operation starts only once.
        let _ = observed.0.set(observation);
        let inner = Arc::downgrade(&self.inner);
        let on_request = self.inner.token().on_cancel(move |reason| {
            let Some(inner) = inner.upgrade() else { return };
            let operation = Operation { inner };
            operation.activity().into_iter().for_each(|known| known.observed.requested(reason));
            // This may be the last handle, and the operation owns user values, whose destructors may panic.
            discard(operation);
        });
        if let Some(observation) = observed.0.get() {
            *observation.on_request.lock() = Some(on_request);
        }
    }
}

impl Observed {
    pub(crate) fn is_observed(&self) -> bool {
        self.0.get().is_some()
    }

    fn reported_span(&self) -> Option<&OperationSpan> {
        Some(&self.0.get()?.span)
    }

    /// Returns the span, unless the operation has none or has ended.
    #[cfg(feature = "tracing")]
    pub(super) fn span(&self) -> Option<Arc<tracing::Span>> {
        self.reported_span()?.get()
    }

    /// Enters the span until the returned guard is dropped.
    pub(crate) fn enter(&self) -> Entered {
        self.reported_span().map(OperationSpan::enter).unwrap_or_default()
    }

    /// Reports that the operation is cancelled.
    fn requested(&self, reason: &Reason) {
        let Some(observation) = self.0.get() else { return };
        let now = clock::now();
        {
            let mut phases = observation.phases.lock();
            if phases.ended || phases.requested.is_some() {
                return;
            }
            phases.requested = Some(now);
        }
        observation.span.requested(reason);
    }

    #[cfg(feature = "time")]
    pub(crate) fn grace_begins(&self) {
        self.reported_span().into_iter().for_each(OperationSpan::grace_begins);
    }

    #[cfg(feature = "time")]
    pub(crate) fn forced(&self) {
        self.reported_span().into_iter().for_each(OperationSpan::forced);
    }

    /// Reports that a shield delays the cancellation.
    pub(crate) fn waits_for_shield(&self, name: Option<&Text>) {
        self.reported_span().into_iter().for_each(|span| span.waits_for_shield(name));
    }

    pub(crate) fn waits_for_children(&self) {
        self.reported_span().into_iter().for_each(OperationSpan::waits_for_children);
    }

    /// Records that the work is gone.
    pub(crate) fn work_is_over(&self) {
        if let Some(observation) = self.0.get() {
            observation.phases.lock().work_over = Some(clock::now());
        }
    }

    /// Reports that the operation has ended. Called after its hooks have run.
    pub(crate) fn ended(&self, operation: &Operation) {
        let Some(observation) = self.0.get() else { return };
        if let Some(reason) = operation.reason() {
            self.requested(&reason);
        }
        let Some(end) = observation.end(operation) else { return };
        // Removes the callback, so that the token, which may live longer, keeps nothing of the operation alive.
        let on_request = observation.on_request.lock().take();
        drop(on_request);
        #[cfg(feature = "metrics")]
        observation.meter.iter().for_each(|meter| meter.end(&end));
        observation.span.close(&end);
    }
}

impl Observation {
    /// Returns the end for the report. Returns `None` if the operation has not ended, or if the end has been reported already.
    fn end(&self, operation: &Operation) -> Option<End> {
        let at = operation.inner.details.lock().ended.as_ref()?.at;
        let (requested, work_over, started) = {
            let mut phases = self.phases.lock();
            if std::mem::replace(&mut phases.ended, true) {
                return None;
            }
            (phases.requested, phases.work_over, phases.started)
        };
        let since = |from: Instant, to: Instant| to.saturating_duration_since(from);
        let work_over = work_over.unwrap_or(at);
        let stopping = requested.filter(|requested| *requested <= work_over);
        let polls = operation.activity_snapshot();
        Some(End {
            status: operation.status(),
            reason: operation.reason(),
            error: operation.error(),
            duration: since(started, at),
            work: since(started, work_over),
            stopping: stopping.map(|requested| since(requested, work_over)),
            clean_up: since(work_over, at),
            cancellation: requested.map(|requested| since(requested, at)),
            longest_poll: polls.map(|polls| polls.longest_poll).unwrap_or_default(),
        })
    }
}
