//! Readers, writers and sinks raced against a source.

#![cfg(feature = "io")]

#[path = "../support/mod.rs"]
mod support;

mod both;
#[cfg(feature = "testing")]
mod idle;
#[cfg(feature = "testing")]
mod model;
mod names;
mod pipe;
mod reader;
mod sink;
mod sockets;
mod writer;

use std::io;

use cancelable::prelude::*;

/// Returns the cancellation that an error holds.
#[track_caller]
fn cancelled_in(error: &io::Error) -> &Cancelled {
    let inner = error.get_ref().expect("it holds an error");
    inner.downcast_ref().expect("it holds the cancellation")
}
