//! The registry: who is listed, who is stopped, what is remembered, and what is told.

mod support;

#[path = "registry/cancelling.rs"]
mod cancelling;
#[cfg(feature = "time")]
#[path = "registry/chains.rs"]
mod chains;
#[path = "registry/events.rs"]
mod events;
#[cfg(feature = "time")]
#[path = "registry/force.rs"]
mod force;
#[path = "registry/helpers.rs"]
mod helpers;
#[path = "registry/hostile.rs"]
mod hostile;
#[path = "registry/listing.rs"]
mod listing;
#[path = "registry/many.rs"]
mod many;
#[path = "registry/memory.rs"]
mod memory;
#[path = "registry/model.rs"]
mod model;
#[path = "registry/past.rs"]
mod past;
#[cfg(feature = "serde")]
#[path = "registry/serde.rs"]
mod serde;
#[cfg(feature = "time")]
#[path = "registry/service.rs"]
mod service;
#[cfg(feature = "time")]
#[path = "registry/shutdown.rs"]
mod shutdown;
#[path = "registry/streams.rs"]
mod streams;
#[cfg(feature = "time")]
#[path = "registry/stuck.rs"]
mod stuck;
#[path = "registry/traits.rs"]
mod traits;
