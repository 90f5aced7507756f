//! Random programs. Each runs with the crate and with a model that fits on a page, and the results are compared.

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
