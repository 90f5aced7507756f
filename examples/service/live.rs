//! What happens, as server-sent events: for the page, or for `curl -N`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::response::sse::{Event as Message, Sse};
use cancelable::prelude::*;
use cancelable::registry::Event;
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

/// How often the numbers are told. That also finds out which clients have gone away.
const NUMBERS_EVERY: Duration = Duration::from_millis(500);

/// How many events may wait for a slow client.
const CAPACITY: usize = 1024;

/// Three kinds of messages, all of them JSON: `operations`, which is who is in, comes first, and again
/// where the client was too slow; `change` is one event; `stats` are the numbers.
///
/// The stream is an operation itself. So it is listed, can be cancelled, and ends with the service.
pub(crate) async fn events(
    ConnectInfo(client): ConnectInfo<SocketAddr>,
) -> Sse<impl Stream<Item = Result<Message, Infallible>>> {
    let registry = Registry::global();
    // Listens before it looks who is in, so that nobody is missed.
    let changes = registry.events(CAPACITY).map(|event| match event {
        // Some are lost: it begins anew.
        Event::Missed { .. } => message("operations", &registry.list()),
        event => message("change", &event),
    });
    let everyone = stream::once(async { message("operations", &registry.list()) });
    let mut clock = interval(NUMBERS_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let numbers = stream::unfold(clock, async |mut clock| {
        clock.tick().await;
        Some((message("stats", &registry.stats()), clock))
    });

    let messages = everyone
        .chain(stream::select(changes, numbers))
        .cancelable(never())
        .named("GET /events")
        .metadata("client", client.to_string())
        .registered();
    // The error is the last item, and is no message: the client sees the end.
    Sse::new(messages.filter_map(async |message| message.ok().map(Ok)))
}

fn message(name: &str, data: &impl Serialize) -> Message {
    let written = Message::default().event(name).json_data(data);
    // What cannot be written as JSON becomes a comment. That does not happen to these types.
    written.unwrap_or_else(|error| Message::default().comment(error.to_string()))
}
