//! Random inputs, for tests against a model.

use std::env;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

/// Runs `test` on `cases` random inputs, or on as many times more as the variable `CASES_TIMES`
/// says. Panics with the smallest input that fails.
pub fn check_random<S: Strategy>(cases: u32, inputs: S, test: impl Fn(S::Value)) {
    let times = env::var("CASES_TIMES").map_or(1, |times| times.parse().unwrap());
    let config = Config { cases: cases * times, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        test(input);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
