//! The registry: who is listed, who is stopped, what is remembered, and what is told.

#[path = "../support/mod.rs"]
mod support;

mod cancelling;
#[cfg(feature = "time")]
mod chains;
mod events;
#[cfg(feature = "time")]
mod force;
mod helpers;
mod hostile;
mod listing;
mod many;
mod memory;
mod model;
mod past;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "time")]
mod service;
#[cfg(feature = "time")]
mod shutdown;
mod streams;
#[cfg(feature = "time")]
mod stuck;
mod traits;
