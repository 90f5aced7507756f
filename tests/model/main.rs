//! Random programs, run against the crate and against a model that fits on a page.

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "testing")]
mod limits;
mod operation;
mod race;
mod sources;
mod tokens;
#[cfg(feature = "testing")]
mod trees;
