//! Allocations: what allocates nothing, and that nothing is left behind.

#[path = "../support/mod.rs"]
mod support;

mod allocation;
#[cfg(feature = "time")]
mod leaks;
