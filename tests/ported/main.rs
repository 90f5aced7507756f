//! Behaviours that users of related libraries rely on, as they hold here. `docs/ported.md` lists
//! them, with what differs and what does not apply.

#![cfg(all(feature = "time", feature = "signal"))]

#[path = "../support/mod.rs"]
mod support;

mod dotnet;
mod go_context;
mod python;
mod python_operations;
mod tokio_util;
