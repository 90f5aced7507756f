//! Memory: what allocates nothing, and what leaves nothing behind.

#[path = "../support/mod.rs"]
mod support;

mod allocation;
#[cfg(feature = "time")]
mod leaks;
