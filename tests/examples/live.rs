//! The larger examples, with real files, connections and signals, and a real browser if there is
//! one.

mod program;

mod crawler;
mod pipeline;

#[cfg(feature = "serde")]
mod http;
mod monitor;

#[cfg(feature = "serde")]
mod service;

#[cfg(feature = "serde")]
mod dashboard;
