//! The layers, over services that are made of functions. Time is virtual.

mod client;
mod server;
mod support;
