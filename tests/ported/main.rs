//! Behaviour that users of related libraries rely on. `docs/ported.md` lists each case, and says what differs here and what
//! does not apply.

#![cfg(all(feature = "time", feature = "signal"))]

#[path = "../support/mod.rs"]
mod support;

mod dotnet;
mod go_context;
mod python;
mod python_operations;
mod tokio_util;
