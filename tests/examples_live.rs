//! The examples that are programs of their own: real files, real connections, real signals, and a real
//! browser where there is one.

#![cfg(all(unix, feature = "time", feature = "signal"))]

mod support;

#[path = "examples_live/program.rs"]
mod program;

#[path = "examples_live/pipeline.rs"]
mod pipeline;

#[cfg(feature = "serde")]
#[path = "examples_live/http.rs"]
mod http;
#[path = "examples_live/monitor.rs"]
mod monitor;

#[cfg(feature = "serde")]
#[path = "examples_live/service.rs"]
mod service;

#[cfg(feature = "serde")]
#[path = "examples_live/dashboard.rs"]
mod dashboard;
