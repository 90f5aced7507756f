//! Warnings: what went wrong, and nobody is there to be told of.
//!
//! They go to `tracing` with the feature of that name, and nowhere without it.

use std::fmt::Display;

#[cfg(feature = "tracing")]
macro_rules! warning {
    ($($what:tt)*) => { tracing::warn!(target: "cancelable", $($what)*) };
}

#[cfg(not(feature = "tracing"))]
macro_rules! warning {
    ($name:ident = %$value:expr, $text:literal) => {
        _ = $value
    };
}

/// A callback, a predicate or a destructor of others has panicked.
pub(crate) fn panicked(said: &str) {
    warning!(panic = %said, "a callback panicked");
}

/// A run was dropped that still had something to clean up.
pub(crate) fn clean_up_lost(operation: &dyn Display) {
    warning!(operation = %operation, "clean-up was lost: its future was dropped");
}
