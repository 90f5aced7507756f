//! `Serialize` for snapshots, for all values in them, and for the types that a registry returns. Use it for logs and
//! dashboards.
//!
//! Names and kinds are strings. Durations are seconds with a fraction. An `Instant` is left out: it means nothing outside of
//! the process. There is no `Deserialize`, because an error cannot be restored from its text.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::error::Cancelled;
use crate::operation::{OperationId, Progress, Snapshot, Status};
use crate::reason::{Reason, ReasonKind};
use crate::registry::{Durations, Event, Inspection, Phase, Record, Stats};
#[cfg(feature = "time")]
use crate::registry::{PhaseReport, ShutdownReport};
use crate::signal_kind::Signal;
use crate::text::Text;

/// Serializes a struct with the given fields.
macro_rules! fields {
    ($serializer:ident, $name:literal, $($field:literal: $value:expr),* $(,)?) => {{
        let count = [$($field),*].len();
        let mut fields = $serializer.serialize_struct($name, count)?;
        $(fields.serialize_field($field, $value)?;)*
        fields.end()
    }};
}

fn seconds(duration: Option<Duration>) -> Option<f64> {
    duration.as_ref().map(Duration::as_secs_f64)
}

/// Serializes the text as a string.
impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// Serializes the id as a number.
impl Serialize for OperationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.as_u64())
    }
}

/// Serializes the name of the value, in lower case.
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Serializes the name of the value, in lower case.
impl Serialize for ReasonKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Serializes the name of the signal, such as `SIGTERM`.
impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Serializes the `kind` of the reason, and a `text` for people.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(serializer, "Reason", "kind": &self.kind(), "text": &self.to_string())
    }
}

/// Serializes the `reason`, whether the work was `forced`, and the name of the `operation`.
impl Serialize for Cancelled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let forced = self.was_forced();
        fields!(
            serializer,
            "Cancelled",
            "reason": self.reason(),
            "forced": &forced,
            "operation": &self.operation_name(),
        )
    }
}

/// Serializes the `message`, the `fraction`, the number of steps `done` and in `total`, and the `details`.
impl Serialize for Progress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(
            serializer,
            "Progress",
            "message": &self.message(),
            "fraction": &self.fraction(),
            "done": &self.counted().map(|(done, _)| done),
            "total": &self.counted().map(|(_, total)| total),
            "details": &Details(self),
        )
    }
}

struct Details<'a>(&'a Progress);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.details() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Serializes all fields. `elapsed` and `remaining` are in seconds.
impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(
            serializer,
            "Snapshot",
            "id": &self.id,
            "name": &self.name,
            "status": &self.status,
            "reason": &self.reason,
            "error": &self.error,
            "parent_id": &self.parent_id,
            "parent_name": &self.parent_name,
            "metadata": &self.metadata,
            "progress": &self.progress,
            "started": &self.started,
            "elapsed": &self.elapsed.as_secs_f64(),
            "remaining": &seconds(self.remaining),
        )
    }
}

/// Serializes the `snapshot`, and `stopping` in seconds.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stopping = seconds(self.stopping);
        fields!(serializer, "Record", "snapshot": &self.snapshot, "stopping": &stopping)
    }
}

/// Serializes all fields, with times in seconds. Adds `durations` for each final status, and `stopping_durations`.
impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let by_status = [Status::Completed, Status::Failed, Status::Cancelled]
            .map(|status| (status, self.durations(status)));
        fields!(
            serializer,
            "Stats",
            "pending": &self.pending,
            "running": &self.running,
            "cancelling": &self.cancelling,
            "completed": &self.completed,
            "failed": &self.failed,
            "cancelled": &self.cancelled,
            "never_started": &self.never_started,
            "refused": &self.refused,
            "cancelled_by": &self.cancelled_by,
            "average_duration": &seconds(self.average_duration),
            "longest_duration": &seconds(self.longest_duration),
            "average_stopping": &seconds(self.average_stopping),
            "longest_stopping": &seconds(self.longest_stopping),
            "durations": &by_status.into_iter().collect::<BTreeMap<_, _>>(),
            "stopping_durations": self.stopping_durations(),
        )
    }
}

/// Serializes the `count` and, in seconds, `average`, `min`, `max` and the percentiles `p50`, `p90` and `p99`.
impl Serialize for Durations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(
            serializer,
            "Durations",
            "count": &self.count(),
            "average": &seconds(self.average()),
            "min": &seconds(self.min()),
            "max": &seconds(self.max()),
            "p50": &seconds(self.percentile(50.0)),
            "p90": &seconds(self.percentile(90.0)),
            "p99": &seconds(self.percentile(99.0)),
        )
    }
}

/// Serializes the name of the variant as `event`, in lower case, and the fields of the variant.
impl Serialize for Event {
    #[rustfmt::skip]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Event::Registered(snapshot) => {
                fields!(serializer, "Event", "event": "registered", "snapshot": snapshot)
            }
            Event::Started { id, name } => {
                fields!(serializer, "Event", "event": "started", "id": id, "name": name)
            }
            Event::Progress { id, name, progress } => fields!(
                serializer, "Event", "event": "progress", "id": id, "name": name, "progress": progress,
            ),
            Event::Cancelling { id, name, reason } => fields!(
                serializer, "Event", "event": "cancelling", "id": id, "name": name, "reason": reason,
            ),
            Event::Ended(record) => {
                fields!(serializer, "Event", "event": "ended", "record": record)
            }
            Event::Refused { id, name } => {
                fields!(serializer, "Event", "event": "refused", "id": id, "name": name)
            }
            Event::Closed => fields!(serializer, "Event", "event": "closed"),
            Event::Missed { count } => {
                fields!(serializer, "Event", "event": "missed", "count": count)
            }
        }
    }
}

/// Serializes the phase as a report prints it, such as `in shield "flush"`.
impl Serialize for Phase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Serializes all fields, with times in seconds.
impl Serialize for Inspection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(
            serializer,
            "Inspection",
            "snapshot": &self.snapshot,
            "phase": &self.phase,
            "stopping": &seconds(self.stopping),
            "last_poll": &seconds(self.last_poll),
            "in_poll": &seconds(self.in_poll),
            "longest_poll": &self.longest_poll.as_secs_f64(),
        )
    }
}

/// Serializes all fields. `took` is in seconds.
#[cfg(feature = "time")]
impl Serialize for ShutdownReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(
            serializer,
            "ShutdownReport",
            "took": &self.took.as_secs_f64(),
            "forced": &self.forced,
            "cut_short": &self.cut_short,
            "stopped": &self.stopped,
            "remaining": &self.remaining,
            "phases": &self.phases,
        )
    }
}

/// Serializes all fields. Times are in seconds.
#[cfg(feature = "time")]
impl Serialize for PhaseReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields!(
            serializer,
            "PhaseReport",
            "name": &self.name,
            "finish": &self.finish.as_secs_f64(),
            "took": &self.took.as_secs_f64(),
            "forced": &self.forced,
            "stopped": &self.stopped,
            "remaining": &self.remaining,
        )
    }
}
