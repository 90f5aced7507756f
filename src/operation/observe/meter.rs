//! `Meter`: the metrics of an operation, with the feature `metrics`.

use ::metrics::{counter, gauge, histogram};

use super::on::End;
use crate::metrics::{CANCELLATION_LATENCY, DURATION, ENDED, LONGEST_POLL, RUNNING, STARTED};
use crate::operation::Operation;
use crate::panic::contain;
use crate::reason::Reason;

/// Reports the metrics of an operation that has started.
pub(super) struct Meter {
    /// The label for the name of the operation: `unnamed` if it has no name, and `other` if the name is not a literal.
    operation: &'static str,
}

impl Meter {
    /// Reports the start.
    pub(super) fn begin(operation: &Operation) -> Self {
        let name = operation.inner.details.lock().name.clone();
        let operation = name.map_or("unnamed", |name| name.literal().unwrap_or("other"));
        // If the recorder panics, the panic is printed. No caller could do more about it.
        let _ = contain(|| {
            counter!(STARTED, "operation" => operation).increment(1);
            gauge!(RUNNING, "operation" => operation).increment(1.0);
        });
        Meter { operation }
    }

    /// Reports the end.
    pub(super) fn end(&self, end: &End) {
        let operation = self.operation;
        let outcome = end.status.as_str();
        let reason = end.reason.as_ref().map_or("none", |reason| Reason::kind(reason).as_str());
        let _ = contain(|| {
            gauge!(RUNNING, "operation" => operation).decrement(1.0);
            counter!(ENDED, "operation" => operation, "outcome" => outcome, "reason" => reason)
                .increment(1);
            histogram!(DURATION, "operation" => operation, "outcome" => outcome)
                .record(end.duration);
            if let Some(latency) = end.cancellation {
                histogram!(CANCELLATION_LATENCY, "operation" => operation, "reason" => reason)
                    .record(latency);
            }
            histogram!(LONGEST_POLL, "operation" => operation).record(end.longest_poll);
        });
    }
}
