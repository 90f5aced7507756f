//! Streams: items raced against a source, chunks, limits between items, and what is kept.

mod support;

#[path = "operation/helpers.rs"]
mod helpers;

#[path = "stream/chunks.rs"]
mod chunks;
#[path = "stream/clean_up.rs"]
mod clean_up;
#[path = "stream/cost.rs"]
mod cost;
#[path = "stream/executors.rs"]
mod executors;
#[path = "stream/feed.rs"]
mod feed;
#[cfg(feature = "time")]
#[path = "stream/grace.rs"]
mod grace;
#[cfg(feature = "time")]
#[path = "stream/idle.rs"]
mod idle;
#[path = "stream/lent.rs"]
mod lent;
#[path = "stream/model.rs"]
mod model;
#[path = "stream/operations.rs"]
mod operations;
#[path = "stream/panics.rs"]
mod panics;
#[path = "stream/partial.rs"]
mod partial;
#[path = "stream/race.rs"]
mod race;
#[path = "stream/shields.rs"]
mod shields;
#[cfg(feature = "time")]
#[path = "stream/time.rs"]
mod time;
#[path = "stream/wakes.rs"]
mod wakes;
