//! `Serialize` for what a registry tells by value: for logs and dashboards.
//!
//! As for snapshots: names and kinds are strings, durations are seconds with a fraction. Moments of
//! the clock are left out: they mean nothing outside of the process.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

#[cfg(feature = "time")]
use super::ShutdownReport;
use super::{Event, Inspection, Phase, Record, Stats};

fn seconds(duration: Option<Duration>) -> Option<f64> {
    duration.as_ref().map(Duration::as_secs_f64)
}

/// Its `snapshot`, and `stopping` in seconds.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Record", 2)?;
        fields.serialize_field("snapshot", &self.snapshot)?;
        fields.serialize_field("stopping", &seconds(self.stopping))?;
        fields.end()
    }
}

/// All its fields. Durations are seconds.
impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Stats", 13)?;
        fields.serialize_field("pending", &self.pending)?;
        fields.serialize_field("running", &self.running)?;
        fields.serialize_field("cancelling", &self.cancelling)?;
        fields.serialize_field("completed", &self.completed)?;
        fields.serialize_field("failed", &self.failed)?;
        fields.serialize_field("cancelled", &self.cancelled)?;
        fields.serialize_field("never_started", &self.never_started)?;
        fields.serialize_field("refused", &self.refused)?;
        fields.serialize_field("cancelled_by", &self.cancelled_by)?;
        fields.serialize_field("average_duration", &seconds(self.average_duration))?;
        fields.serialize_field("longest_duration", &seconds(self.longest_duration))?;
        fields.serialize_field("average_stopping", &seconds(self.average_stopping))?;
        fields.serialize_field("longest_stopping", &seconds(self.longest_stopping))?;
        fields.end()
    }
}

/// What happened as `event`, in lower case, and what is told with it.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let start = |count| serializer.serialize_struct("Event", count);
        let fields = match self {
            Event::Registered(snapshot) => {
                let mut fields = start(2)?;
                fields.serialize_field("event", "registered")?;
                fields.serialize_field("snapshot", snapshot)?;
                fields
            }
            Event::Started { id, name } => {
                let mut fields = start(3)?;
                fields.serialize_field("event", "started")?;
                fields.serialize_field("id", id)?;
                fields.serialize_field("name", name)?;
                fields
            }
            Event::Progress { id, name, progress } => {
                let mut fields = start(4)?;
                fields.serialize_field("event", "progress")?;
                fields.serialize_field("id", id)?;
                fields.serialize_field("name", name)?;
                fields.serialize_field("progress", progress)?;
                fields
            }
            Event::Cancelling { id, name, reason } => {
                let mut fields = start(4)?;
                fields.serialize_field("event", "cancelling")?;
                fields.serialize_field("id", id)?;
                fields.serialize_field("name", name)?;
                fields.serialize_field("reason", reason)?;
                fields
            }
            Event::Ended(record) => {
                let mut fields = start(2)?;
                fields.serialize_field("event", "ended")?;
                fields.serialize_field("record", record)?;
                fields
            }
            Event::Refused { id, name } => {
                let mut fields = start(3)?;
                fields.serialize_field("event", "refused")?;
                fields.serialize_field("id", id)?;
                fields.serialize_field("name", name)?;
                fields
            }
            Event::Closed => {
                let mut fields = start(1)?;
                fields.serialize_field("event", "closed")?;
                fields
            }
            Event::Missed { count } => {
                let mut fields = start(2)?;
                fields.serialize_field("event", "missed")?;
                fields.serialize_field("count", count)?;
                fields
            }
        };
        fields.end()
    }
}

/// What the report says: `in shield "flush"` for instance.
impl Serialize for Phase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// All its fields. Durations are seconds.
impl Serialize for Inspection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Inspection", 6)?;
        fields.serialize_field("snapshot", &self.snapshot)?;
        fields.serialize_field("phase", &self.phase)?;
        fields.serialize_field("asked", &seconds(self.asked))?;
        fields.serialize_field("last_poll", &seconds(self.last_poll))?;
        fields.serialize_field("in_poll", &seconds(self.in_poll))?;
        fields.serialize_field("longest_poll", &self.longest_poll.as_secs_f64())?;
        fields.end()
    }
}

/// All its fields. `took` is in seconds.
#[cfg(feature = "time")]
impl Serialize for ShutdownReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ShutdownReport", 5)?;
        fields.serialize_field("took", &self.took.as_secs_f64())?;
        fields.serialize_field("forced", &self.forced)?;
        fields.serialize_field("cut_short", &self.cut_short)?;
        fields.serialize_field("stopped", &self.stopped)?;
        fields.serialize_field("remaining", &self.remaining)?;
        fields.end()
    }
}
