//! The examples that are programs of their own: real files, real connections, real signals, and a real
//! browser where there is one.

mod program;

mod pipeline;

#[cfg(feature = "serde")]
mod http;
mod monitor;

#[cfg(feature = "serde")]
mod service;

#[cfg(feature = "serde")]
mod dashboard;
