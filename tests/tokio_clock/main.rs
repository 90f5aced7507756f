//! The feature `testing-tokio`: limits follow tokio's paused clock.

#![cfg(feature = "testing-tokio")]

#[path = "../support/mod.rs"]
mod support;

mod guard;
mod limits;
mod warning;

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Runs a future on a tokio runtime whose clock is paused.
fn paused<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(future)
}
