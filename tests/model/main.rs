//! Random programs, run against the crate and against a model that fits on a page.

#[path = "../support/mod.rs"]
mod support;

mod operation;
mod race;
mod sources;
mod tokens;
