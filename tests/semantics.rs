//! The contract of `docs/semantics.md`, proved number by number: each test begins with its number.

mod support;

#[path = "semantics/callbacks.rs"]
mod callbacks;
#[path = "semantics/clean_up.rs"]
mod clean_up;
#[path = "semantics/completion.rs"]
mod completion;
#[path = "semantics/first_reason.rs"]
mod first_reason;
#[path = "semantics/helpers.rs"]
mod helpers;
#[path = "semantics/hierarchy.rs"]
mod hierarchy;
#[path = "semantics/hooks.rs"]
mod hooks;
#[path = "semantics/idle.rs"]
mod idle;
#[path = "semantics/leaving.rs"]
mod leaving;
#[path = "semantics/lists.rs"]
mod lists;
#[path = "semantics/operations.rs"]
mod operations;
#[path = "semantics/panics.rs"]
mod panics;
#[path = "semantics/race.rs"]
mod race;
#[path = "semantics/shields.rs"]
mod shields;
#[cfg(feature = "time")]
#[path = "semantics/time.rs"]
mod time;
#[path = "semantics/tree.rs"]
mod tree;
