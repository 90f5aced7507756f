//! The clock of a test.

use std::future::Future;
use std::time::{Duration, Instant};

#[cfg(feature = "testing")]
use cancelable::testing::PausedTime;

/// A clock on which a test lets time pass: virtual time of the test kit, or, where that is left out,
/// that of the machine.
///
/// For tests of what happens when a limit ends, not of how a limit is measured: those take the clock
/// of the machine.
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

    /// Lets so much time pass. What ends by then has struck; nothing is polled meanwhile.
    pub fn pass(&self, by: Duration) {
        self.time.advance(by);
    }

    /// The same, for hooks: they are sent, and the clock stays on its thread.
    pub fn pass_here(by: Duration) {
        cancelable::testing::run(cancelable::timeout(by));
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.time.block_on(future)
    }

    /// Asserts that so much has passed: not less, and in virtual time not more either.
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

    /// Lets so much time pass. What ends by then has struck; nothing is polled meanwhile.
    pub fn pass(&self, by: Duration) {
        std::thread::sleep(by);
        // Limits end in slots, and the reactor tells of them in order: when it tells of this one, it
        // has told of what ended before.
        #[cfg(feature = "time")]
        super::block_on(cancelable::timeout(by / 256 + Duration::from_millis(2)));
    }

    /// The same, for hooks: they are sent, and the clock stays on its thread.
    pub fn pass_here(by: Duration) {
        std::thread::sleep(by);
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        super::block_on(future)
    }

    /// Asserts that so much has passed: not less, and in virtual time not more either.
    #[track_caller]
    pub fn assert_passed(&self, since: Instant, expected: Duration) {
        let passed = self.now() - since;
        assert!(passed >= expected, "early: {passed:?} of {expected:?}");
    }
}
