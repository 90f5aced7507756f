//! Random inputs, for tests against a model.

use std::env;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

/// Returns how many times more random inputs are wanted: the variable `CASES_TIMES`, or 1.
pub(crate) fn cases_times() -> u32 {
    env::var("CASES_TIMES").map_or(1, |times| times.parse().expect("`CASES_TIMES` is a number"))
}

/// Runs `test` on `cases` random inputs, or on `CASES_TIMES` times as many.
///
/// # Panics
///
/// Panics with the smallest input that fails.
pub fn check_random<S: Strategy>(cases: u32, inputs: S, test: impl Fn(S::Value)) {
    let cases = cases * cases_times();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        test(input);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
