//! Server-sent events about the running operations, for the page or for `curl -N`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::response::sse::{Event as Message, Sse};
use cancelable::prelude::*;
use cancelable::registry::Event;
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

/// How often the statistics are sent. This also detects clients that have gone away.
const NUMBERS_EVERY: Duration = Duration::from_millis(500);

/// How many counts of active operations are kept: those of a minute.
const KEPT: usize = 120;

/// How many operations were active, twice a second.
static ACTIVE: Mutex<VecDeque<usize>> = Mutex::new(VecDeque::new());

/// Notes how many operations are active, until it is cancelled. A page that opens later gets the last minute.
pub(crate) async fn sample() {
    let mut clock = interval(NUMBERS_EVERY);
    loop {
        clock.tick().await;
        let stats = Registry::global().stats();
        let mut active = ACTIVE.lock().unwrap_or_else(PoisonError::into_inner);
        active.push_back(stats.pending + stats.running + stats.cancelling);
        if active.len() > KEPT {
            active.pop_front();
        }
    }
}

/// How many events are buffered for a slow client.
const CAPACITY: usize = 1024;

/// Sends four kinds of JSON messages: `hello`, once, has the id of this stream and the counts of the last
/// minute; `operations` lists the running operations, first and again after the client missed events;
/// `change` is one event; `stats` are the statistics.
///
/// The stream is an operation itself, so it is listed and can be cancelled. It is a daemon: it shows the shutdown, and
/// ends after the requests.
pub(crate) async fn events(
    ConnectInfo(client): ConnectInfo<SocketAddr>,
) -> Sse<impl Stream<Item = Result<Message, Infallible>>> {
    let registry = Registry::global();
    // Listen before listing, so that no operation is missed.
    let changes = registry.events(CAPACITY).map(|event| match event {
        // Some events were lost, so send the whole list again.
        Event::Missed { .. } => message("operations", &registry.list()),
        event => message("change", &event),
    });
    let hello = stream::once(async {
        // The stream is polled inside its operation.
        let operation = Operation::current().map(|operation| operation.id());
        let active = ACTIVE.lock().unwrap_or_else(PoisonError::into_inner);
        message("hello", &json!({ "operation": operation, "active": *active }))
    });
    let everyone = stream::once(async { message("operations", &registry.list()) });
    let mut clock = interval(NUMBERS_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let numbers = stream::unfold(clock, async |mut clock| {
        clock.tick().await;
        Some((message("stats", &registry.stats()), clock))
    });

    let messages = hello
        .chain(everyone)
        .chain(stream::select(changes, numbers))
        .cancelable_stream(never())
        .named("GET /events")
        .metadata("client", client.to_string())
        .daemon_in(registry);
    // The error is the last item. It is not a message: the client just sees the end.
    Sse::new(messages.filter_map(async |message| message.ok().map(Ok)))
}

fn message(name: &str, data: &impl Serialize) -> Message {
    let written = Message::default().event(name).json_data(data);
    // An event that cannot be serialized becomes a comment. That does not happen with these types.
    written.unwrap_or_else(|error| Message::default().comment(error.to_string()))
}
