//! `#[cancelable(..)]`: its keys, the functions that may have it, and the lints that see through it.

#![cfg(feature = "macros")]

#[path = "../support/mod.rs"]
mod support;

mod async_trait;
mod errors;
mod functions;
#[cfg(feature = "time")]
mod grace;
mod hygiene;
#[cfg(all(feature = "time", feature = "signal"))]
mod keys;
mod lints;
mod methods;
mod operations;
mod order;
mod parameter;
mod registered;
#[cfg(all(unix, feature = "signal"))]
mod signals;
#[cfg(feature = "time")]
mod stalled_after;
mod strict;
