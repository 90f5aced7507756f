//! The engine against a real server.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod connection;
mod interleavings;
mod retention;
