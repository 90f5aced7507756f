//! The registry: lists, cancellation, history, events, shutdown.

#[path = "../support/mod.rs"]
mod support;

mod cancelling;
#[cfg(feature = "time")]
mod chains;
#[cfg(all(feature = "time", feature = "testing"))]
mod daemons;
mod events;
#[cfg(all(feature = "time", feature = "testing"))]
mod finish;
#[cfg(feature = "time")]
mod force;
mod helpers;
mod history;
mod hostile;
mod listing;
mod many;
#[cfg(unix)]
mod memory;
mod model;
#[cfg(all(feature = "time", feature = "testing"))]
mod phases;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "time")]
mod service;
#[cfg(feature = "time")]
mod shutdown;
mod streams;
#[cfg(feature = "time")]
mod stuck;
#[cfg(feature = "time")]
mod tasks;
mod traits;
