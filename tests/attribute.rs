//! `#[cancelable(..)]`: what its keys do, which functions it goes on, and what lints say of it.

#![cfg(feature = "macros")]

mod support;

#[path = "attribute/errors.rs"]
mod errors;
#[path = "attribute/functions.rs"]
mod functions;
#[cfg(feature = "time")]
#[path = "attribute/grace.rs"]
mod grace;
#[path = "attribute/hygiene.rs"]
mod hygiene;
#[cfg(all(feature = "time", feature = "signal"))]
#[path = "attribute/keys.rs"]
mod keys;
#[path = "attribute/lints.rs"]
mod lints;
#[path = "attribute/methods.rs"]
mod methods;
#[path = "attribute/operations.rs"]
mod operations;
#[path = "attribute/order.rs"]
mod order;
#[path = "attribute/parameter.rs"]
mod parameter;
#[path = "attribute/registered.rs"]
mod registered;
#[cfg(all(unix, feature = "signal"))]
#[path = "attribute/signals.rs"]
mod signals;
