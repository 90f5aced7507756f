//! The contract of `docs/semantics.md`: the name of each test starts with the number of its
//! guarantee.

#[path = "../support/mod.rs"]
mod support;

mod auto_traits;
mod callbacks;
mod clean_up;
mod completion;
mod first_reason;
mod hierarchy;
mod hooks;
mod idle;
mod leaving;
mod lists;
mod operations;
mod panics;
mod race;
mod sections;
mod shields;
#[cfg(feature = "time")]
mod time;
mod tree;
