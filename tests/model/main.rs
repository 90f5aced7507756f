//! Model tests: random programs, run against the crate and against a model that fits on a page.

#[path = "../support/mod.rs"]
mod support;

mod operation;
mod race;
mod sources;
mod tokens;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

/// Runs `test` on that many inputs. Where one fails, prints the smallest that does.
fn check<S: Strategy>(cases: u32, inputs: S, test: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        test(input);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
