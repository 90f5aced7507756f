//! The clock that tests use to let time pass.

use std::future::Future;
use std::time::{Duration, Instant};

#[cfg(feature = "testing")]
use cancelable::testing::PausedTime;

/// A clock that a test moves: the virtual time of the test kit, or real time if the feature `testing` is off.
///
/// Use it to test what happens when a time limit passes. Tests that measure how precise a limit is use real time.
#[derive(Debug)]
pub struct Clock {
    #[cfg(feature = "testing")]
    time: PausedTime,
}

#[cfg(feature = "testing")]
impl Clock {
    pub fn start() -> Self {
        Clock { time: cancelable::testing::pause() }
    }

    pub fn now(&self) -> Instant {
        self.time.now()
    }

    /// Lets `by` pass. When this returns, limits that end by then have fired. Nothing is polled in between.
    pub fn pass(&self, by: Duration) {
        self.time.advance(by);
    }

    /// Lets `by` pass inside a hook. Hooks must be `Send`, and a `Clock` is not.
    pub fn pass_here(by: Duration) {
        cancelable::testing::run(cancelable::timeout(by));
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.time.block_on(future)
    }

    /// Asserts that `expected` has passed since `since`: exactly in virtual time, at least in real
    /// time.
    #[track_caller]
    pub fn assert_passed(&self, since: Instant, expected: Duration) {
        assert_eq!(self.now() - since, expected);
    }
}

#[cfg(not(feature = "testing"))]
impl Clock {
    pub fn start() -> Self {
        Clock {}
    }

    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Lets `by` pass. When this returns, limits that end by then have fired. Nothing is polled in between.
    pub fn pass(&self, by: Duration) {
        std::thread::sleep(by);
        // Limits end in slots, and the reactor fires slots in order. So when this timeout fires, all limits that end earlier
        // have fired.
        #[cfg(feature = "time")]
        super::block_on(cancelable::timeout(by / 256 + Duration::from_millis(2)));
    }

    /// Lets `by` pass inside a hook. Hooks must be `Send`, and a `Clock` is not.
    pub fn pass_here(by: Duration) {
        std::thread::sleep(by);
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        super::block_on(future)
    }

    /// Asserts that `expected` has passed since `since`: exactly in virtual time, at least in real
    /// time.
    #[track_caller]
    pub fn assert_passed(&self, since: Instant, expected: Duration) {
        let passed = self.now() - since;
        assert!(passed >= expected, "early: {passed:?} of {expected:?}");
    }
}
