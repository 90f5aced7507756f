//! The package itself: what it depends on, and what its pages name.

#[path = "../support/mod.rs"]
mod support;

mod manifest;
mod pictures;
