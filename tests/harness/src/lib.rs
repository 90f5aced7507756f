//! What the tests of all packages share: a watchdog, random inputs, and examples in processes of their own.
//!
//! It uses no other package of this workspace, so it is built once, whatever the features of the packages are.

#[cfg(unix)]
mod program;
mod random;
mod watchdog;

use std::env;
use std::path::PathBuf;

#[cfg(unix)]
pub use program::{End, PROGRAM_LIMIT, Running};
pub use random::check_random;
pub use watchdog::{LIMIT, Watchdog, watchdog};

/// Returns the path of an example. Cargo builds the examples of a package before it runs its tests, and puts them beside the
/// directory of the tests.
///
/// # Panics
///
/// Panics if the path of the running test is unknown.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let mut path = env::current_exe().expect("the test has a path");
    path.pop();
    path.pop();
    path.join("examples").join(name).with_extension(env::consts::EXE_EXTENSION)
}
