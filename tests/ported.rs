//! Behaviours that users of related libraries rely on, as they hold here. `docs/ported.md` lists
//! them, with what differs and what does not apply.

#![cfg(all(feature = "time", feature = "signal"))]

mod support;

#[path = "ported/dotnet.rs"]
mod dotnet;
#[path = "ported/go_context.rs"]
mod go_context;
#[path = "ported/python.rs"]
mod python;
#[path = "ported/python_operations.rs"]
mod python_operations;
#[path = "ported/tokio_util.rs"]
mod tokio_util;
