//! The contract of `docs/semantics.md`, proved number by number: each test begins with its number.

#[path = "../support/mod.rs"]
mod support;

mod auto_traits;
mod callbacks;
mod clean_up;
mod completion;
mod first_reason;
mod helpers;
mod hierarchy;
mod hooks;
mod idle;
mod leaving;
mod lists;
mod operations;
mod panics;
mod race;
mod shields;
#[cfg(feature = "time")]
mod time;
mod tree;
