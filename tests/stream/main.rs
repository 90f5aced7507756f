//! Streams: the race, chunks, idle timeouts, partial results, clean-up.

#[path = "../support/mod.rs"]
mod support;

mod chunks;
mod clean_up;
#[cfg(unix)]
mod cost;
mod drops;
mod executors;
mod feed;
#[cfg(feature = "time")]
mod grace;
#[cfg(feature = "time")]
mod idle;
mod lent;
mod model;
mod operations;
mod panics;
mod partial;
mod race;
mod results;
mod shields;
#[cfg(feature = "time")]
mod time;
mod wakes;
