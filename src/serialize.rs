//! `Serialize` for what a snapshot holds: for logs and dashboards.
//!
//! Names and kinds are strings, durations are seconds with a fraction. There is no `Deserialize`: an
//! error cannot be made again from what it said.

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::operation::{OperationId, Snapshot};
use crate::{Cancelled, Progress, Reason, ReasonKind, Signal, Status, Text};

/// Its text.
impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// Its number.
impl Serialize for OperationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.as_u64())
    }
}

/// Its name, in lower case.
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Its name, in lower case.
impl Serialize for ReasonKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Its name, `SIGTERM` for instance.
impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Its `kind`, and its sentence as `text`.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Reason", 2)?;
        fields.serialize_field("kind", &self.kind())?;
        fields.serialize_field("text", &self.to_string())?;
        fields.end()
    }
}

/// Its `reason`, and whether it was `forced`.
impl Serialize for Cancelled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Cancelled", 2)?;
        fields.serialize_field("reason", self.reason())?;
        fields.serialize_field("forced", &self.was_forced())?;
        fields.end()
    }
}

/// Its `message`, its `fraction`, what is `done` and in `total`, and its `details`.
impl Serialize for Progress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Progress", 5)?;
        fields.serialize_field("message", &self.message())?;
        fields.serialize_field("fraction", &self.fraction())?;
        fields.serialize_field("done", &self.counted().map(|(done, _)| done))?;
        fields.serialize_field("total", &self.counted().map(|(_, total)| total))?;
        fields.serialize_field("details", &Details(self))?;
        fields.end()
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

/// All its fields. `elapsed` and `remaining` are seconds.
impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Snapshot", 11)?;
        fields.serialize_field("id", &self.id)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("status", &self.status)?;
        fields.serialize_field("reason", &self.reason)?;
        fields.serialize_field("error", &self.error)?;
        fields.serialize_field("parent_id", &self.parent_id)?;
        fields.serialize_field("parent_name", &self.parent_name)?;
        fields.serialize_field("metadata", &self.metadata)?;
        fields.serialize_field("progress", &self.progress)?;
        fields.serialize_field("elapsed", &self.elapsed.as_secs_f64())?;
        fields.serialize_field("remaining", &self.remaining.as_ref().map(Duration::as_secs_f64))?;
        fields.end()
    }
}
