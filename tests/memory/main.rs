//! Memory: what allocates nothing, and what leaves nothing behind.

// The crate that counts allocations does not work elsewhere.
#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod allocation;
#[cfg(feature = "time")]
mod leaks;
