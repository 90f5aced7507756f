//! The engine against a real server.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod connection;
mod faults;
mod interleavings;
mod model;
mod processes;
mod retention;
mod tls;
