//! The package itself: what it depends on, and what its pages name.

#[path = "../support/mod.rs"]
mod support;

mod docs;
mod manifest;
mod pictures;
