//! The examples, each run as a process of its own.

#[path = "../support/mod.rs"]
mod support;

#[cfg(all(unix, feature = "time", feature = "signal"))]
mod checksum;
#[cfg(all(unix, feature = "time", feature = "signal"))]
mod live;
mod offline;
