//! The layers, over services that are made of functions. Time is virtual.

mod call;
mod client;
mod ends;
#[cfg(feature = "axum")]
mod routes;
mod server;
mod support;
