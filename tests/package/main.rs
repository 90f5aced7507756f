//! The package itself: its manifest, and what its pages say.

#[path = "../support/mod.rs"]
mod support;

mod compile_errors;
mod docs;
mod durations;
mod exports;
mod manifest;
mod pictures;
