//! Behaviour that users of related libraries rely on. `docs/ported.md` lists it, with what differs
//! and what does not apply.

#![cfg(all(feature = "time", feature = "signal"))]

#[path = "../support/mod.rs"]
mod support;

mod dotnet;
mod go_context;
mod python;
mod python_operations;
mod tokio_util;
