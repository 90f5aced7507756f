//! `Messages`: what a page learns about the operations of a registry, as server-sent events.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cancelable::registry::{Event, Events, Filter, HistoryQuery, Phase};
use cancelable::source::Timeout;
use cancelable::{Operation, Registry, Text, timeout};
use futures_core::Stream;
use serde::Serialize;
use serde_json::{Value, json};

/// How often the statistics are sent. Sending them also detects clients that have left.
const NUMBERS_EVERY: Duration = Duration::from_millis(500);

/// How many events are buffered for a slow client.
const CAPACITY: usize = 4096;

/// A newly opened page gets the operations that ended within this time before it was opened.
const PAST: Duration = Duration::from_secs(60);

/// How many ended operations a newly opened page gets at most.
const MOST_ENDED: usize = 200;

/// Once a frame has this size, no further changes are added to it.
const FRAME: usize = 64 * 1024;

/// A stream of server-sent events with data in JSON.
///
/// * `hello` comes first. It has the id of this stream, whether the client may cancel operations, the names of
///   the program's tables, and the operations that ended in the last minute.
/// * `operations` lists the running operations. It comes after `hello`, and again after the client has missed events.
/// * `change` is one event of the registry.
/// * `stats` are the statistics.
/// * `phases` lists the operations in any phase but pending or running, such as clean-up, with their phases.
pub(super) struct Messages {
    registry: Registry,
    may_cancel: bool,
    tables: Vec<Text>,
    /// `None` before the first poll.
    changes: Option<Events>,
    next_numbers: Timeout,
    is_over: bool,
}

impl Messages {
    pub(super) fn new(registry: Registry, may_cancel: bool, tables: Vec<Text>) -> Self {
        let next_numbers = timeout(NUMBERS_EVERY);
        Messages { registry, may_cancel, tables, changes: None, next_numbers, is_over: false }
    }

    fn hello(&mut self, text: &mut String) -> Events {
        // Listen before listing, so that no operation is missed.
        let changes = self.registry.events(CAPACITY);
        // A body is polled inside the operation of its request, so this is the operation of the stream itself.
        let operation = Operation::current().map(|operation| operation.id());
        let now = Instant::now();
        let recent = HistoryQuery::all().last(MOST_ENDED);
        let recent = match now.checked_sub(PAST) {
            Some(since) => recent.since(since),
            None => recent,
        };
        let ended: Vec<Value> = self
            .registry
            .history(recent)
            .iter()
            .map(|record| {
                let ago = now.saturating_duration_since(record.ended_at);
                json!({ "record": record, "ago": ago.as_secs_f64() })
            })
            .collect();
        let hello = json!({ "operation": operation, "may_cancel": self.may_cancel, "tables": self.tables, "ended": ended });
        write(text, "hello", &hello);
        write(text, "operations", &self.registry.list());
        self.numbers(text);
        changes
    }

    fn numbers(&self, text: &mut String) {
        write(text, "stats", &self.registry.stats());
        let unusual = self.registry.inspect(Filter::all()).into_iter().filter_map(|inspection| {
            let is_unusual = !matches!(inspection.phase, Phase::Pending | Phase::Running);
            is_unusual.then(|| (inspection.snapshot.id, inspection.phase.to_string()))
        });
        write(text, "phases", &unusual.collect::<BTreeMap<_, _>>());
    }
}

impl Stream for Messages {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let mut text = String::new();
        let mut changes = match self.changes.take() {
            Some(changes) => changes,
            None => self.hello(&mut text),
        };
        while text.len() < FRAME {
            match Pin::new(&mut changes).poll_next(cx) {
                // Some events were lost, so send the whole list again.
                Poll::Ready(Some(Event::Missed { .. })) => {
                    write(&mut text, "operations", &self.registry.list());
                }
                // An operation gets its parent only when it starts, after it was registered. So the page gets a new
                // snapshot.
                Poll::Ready(Some(Event::Started { id, .. })) => {
                    let snapshot = self.registry.get(id).map(|operation| operation.snapshot());
                    let started = json!({ "event": "started", "id": id, "snapshot": snapshot });
                    write(&mut text, "change", &started);
                }
                Poll::Ready(Some(event)) => write(&mut text, "change", &event),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        self.changes = Some(changes);
        while Pin::new(&mut self.next_numbers).poll(cx).is_ready() {
            self.next_numbers = timeout(NUMBERS_EVERY);
            self.numbers(&mut text);
            self.is_over = self.registry.is_closed() && self.registry.is_empty();
        }
        if text.is_empty() { Poll::Pending } else { Poll::Ready(Some(text.into())) }
    }
}

fn write(text: &mut String, event: &str, data: &impl Serialize) {
    // Serializing these types does not fail.
    if let Ok(data) = serde_json::to_string(data) {
        text.push_str("event: ");
        text.push_str(event);
        text.push_str("\ndata: ");
        text.push_str(&data);
        text.push_str("\n\n");
    }
}
