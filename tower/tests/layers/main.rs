//! The layers, over services that are made of functions. Time is virtual.

mod call;
mod client;
mod ends;
mod server;
mod support;
