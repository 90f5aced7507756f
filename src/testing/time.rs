//! `pause`: virtual time on the current thread.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use super::task::Task;
use crate::clock;
use crate::timer::virtual_time;

/// How long, in real time, to wait by default for another thread to wake a future.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Pauses time on this thread until the returned guard is dropped.
///
/// While time is paused, everything that this crate measures on this thread uses a virtual clock, exact to the nanosecond:
/// [`timeout`](crate::timeout()) and [`deadline`](crate::deadline()), the pauses of [`condition`](crate::condition()),
/// [`grace`](crate::Cancelable::grace), [`shield_for`](crate::shield_for()),
/// [`finally_for`](crate::Cancelable::finally_for), [`idle_timeout`](crate::CancelableStream::idle_timeout), the grace
/// period of [`Registry::shutdown`](crate::Registry::shutdown), and the times that operations and registries report. The
/// clock starts at the current instant and stands still until you [advance](PausedTime::advance) it. In
/// [`block_on`](PausedTime::block_on), the clock also advances by itself when nothing else is left to do.
///
/// Timers of other crates, such as those of a runtime, are not affected. [`Instant::now`] is not affected either: use
/// [`PausedTime::now`] instead. [`blocking_wait_timeout`](crate::CancellationToken::blocking_wait_timeout) uses real time
/// too, because it blocks the thread that would have to advance the clock.
///
/// # Threads
///
/// Other threads use real time. A limit belongs to the thread on which it was first pending. A limit of this thread fires by
/// this thread's clock, even if another thread polls the limit later. When it fires, it wakes the task that polled it last.
///
/// Once time resumes, the rest of a limit passes in real time. But an instant that was read while time was paused is ahead
/// of real time by as much as the clock was advanced. So a limit that started while time was paused, but was never pending
/// in that time, fires late by the same amount. Finish your futures before you drop the guard.
///
/// Limits that were pending before time was paused use real time.
///
/// # Panics
///
/// Panics if time is paused on this thread already, or if the thread follows tokio's clock.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::{self, Wakes};
/// use std::pin::pin;
/// use std::time::Duration;
///
/// let time = testing::pause();
/// let wakes = Wakes::new();
/// let mut limit = pin!(timeout(Duration::from_secs(60)));
/// assert!(wakes.poll(limit.as_mut()).is_pending());
///
/// time.advance(Duration::from_secs(59));
/// assert_eq!(wakes.count(), 0);
/// time.advance(Duration::from_secs(1));
/// assert_eq!(wakes.count(), 1);
/// assert!(wakes.poll(limit).is_ready());
/// assert_eq!(time.elapsed(), Duration::from_secs(60));
/// ```
#[must_use = "time resumes when it is dropped"]
#[track_caller]
pub fn pause() -> PausedTime {
    match pause_unless_paused() {
        Some(time) => time,
        None => panic!("time is paused on this thread already"),
    }
}

/// Pauses time, unless it is paused already.
#[track_caller]
pub(super) fn pause_unless_paused() -> Option<PausedTime> {
    if clock::virtual_now().is_some() {
        return None;
    }
    #[cfg(feature = "testing-tokio")]
    assert!(!clock::follows(), "this thread follows tokio's clock, so its time cannot be paused");
    let start = clock::real();
    clock::set(Some(start));
    Some(PausedTime {
        start,
        auto_advance: Cell::new(true),
        patience: Cell::new(PATIENCE),
        not_send: PhantomData,
    })
}

/// Runs a future to its end in virtual time, and returns its output. This is short for [`pause`] followed by
/// [`block_on`](PausedTime::block_on).
///
/// If time is paused already, the same clock is used.
///
/// # Panics
///
/// Panics if nothing will ever wake the future; see [`block_on`](PausedTime::block_on). Panics if the thread follows
/// tokio's clock. A panic of the future propagates.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing;
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let future = std::future::pending::<()>().cancelable(timeout(minute));
/// let operation = future.operation();
/// assert!(testing::run(future).unwrap_err().is_timeout());
/// assert_eq!(operation.elapsed(), minute);
/// ```
#[track_caller]
pub fn run<F: IntoFuture>(future: F) -> F::Output {
    let _time = pause_unless_paused();
    match Task::new(future.into_future()).finish(true, PATIENCE) {
        Ok(output) => output,
        Err(stuck) => panic!("{stuck}"),
    }
}

/// Guard of [`pause`]: time is paused on this thread until the guard is dropped.
///
/// It cannot be sent to another thread:
///
/// ```compile_fail
/// let time = cancelable::testing::pause();
/// std::thread::spawn(move || drop(time));
/// ```
#[must_use = "time resumes when it is dropped"]
pub struct PausedTime {
    start: Instant,
    auto_advance: Cell<bool>,
    patience: Cell<Duration>,
    /// Keeps the guard on the thread whose clock it pauses.
    not_send: PhantomData<*const ()>,
}

impl PausedTime {
    /// Returns the current instant of the virtual clock.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing;
    /// use std::time::Duration;
    /// let time = testing::pause();
    /// let end = time.now() + Duration::from_secs(5);
    /// time.block_on(deadline(end));
    /// assert_eq!(time.now(), end);
    /// ```
    pub fn now(&self) -> Instant {
        clock::now()
    }

    /// Returns the virtual time that has passed since time was paused.
    ///
    /// ```
    /// use std::time::Duration;
    /// let time = cancelable::testing::pause();
    /// assert_eq!(time.elapsed(), Duration::ZERO);
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.start)
    }

    /// Advances the clock. Every limit that ends within this step fires at its own instant, in order, and wakes its waiters.
    /// No future is polled until this call returns.
    ///
    /// A limit that starts in a later poll therefore starts at the end of the step. For example, a
    /// [`condition`](crate::condition()) makes one check for each step, however long the step is. Take small steps, or use
    /// [`block_on`](Self::block_on), to run every check.
    ///
    /// # Panics
    ///
    /// Panics if the clock cannot represent the new instant.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// let time = cancelable::testing::pause();
    /// time.advance(Duration::from_millis(20));
    /// assert_eq!(time.elapsed(), Duration::from_millis(20));
    /// ```
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        match self.now().checked_add(by) {
            Some(moment) => virtual_time::move_to(moment),
            None => panic!("the clock cannot represent {by:?} from now"),
        }
    }

    /// Returns the time until the next limit on this clock ends, or `None` if there is no limit.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::{self, Wakes};
    /// use std::pin::pin;
    /// use std::time::Duration;
    /// let time = testing::pause();
    /// assert_eq!(time.until_next(), None);
    /// let minute = Duration::from_secs(60);
    /// let mut limit = pin!(timeout(minute));
    /// assert!(Wakes::new().poll(limit.as_mut()).is_pending());
    /// assert_eq!(time.until_next(), Some(minute));
    /// ```
    pub fn until_next(&self) -> Option<Duration> {
        Some(virtual_time::next()?.saturating_duration_since(self.now()))
    }

    /// Runs a future to its end, and returns its output. When the future is pending and was not woken,
    /// the clock advances to the next limit, which fires.
    ///
    /// If there is no limit, `block_on` waits for another thread to wake the future, for as long as its
    /// [patience](Self::patience) lasts. If there is a limit, `block_on` does not wait for other threads: a limit of an hour
    /// fires at once, even if another thread would have woken the future after a millisecond. Switch
    /// [auto-advance](Self::auto_advance) off for work that other threads wake.
    ///
    /// # Panics
    ///
    /// * If nothing will ever wake the future: either there is no limit or auto-advance is off, and no other thread woke the
    ///   future for as long as the patience lasts.
    /// * If the future waits without end: the clock has advanced at least 100,000 times, and for longer
    ///   in real time than the patience lasts.
    /// * If the future wakes itself in every poll: at least 100,000 polls in a row, for longer in real
    ///   time than the patience lasts, while a limit is waiting for the clock to advance.
    ///
    /// A panic of the future propagates.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing;
    /// use std::time::Duration;
    ///
    /// let time = testing::pause();
    /// let mut checks = 0;
    /// let third = condition(|| { checks += 1; checks == 3 }).every(Duration::from_secs(10));
    /// assert_eq!(time.block_on(third), Reason::condition("condition", 3));
    /// assert_eq!(time.elapsed(), Duration::from_secs(20));
    /// ```
    #[track_caller]
    pub fn block_on<F: IntoFuture>(&self, future: F) -> F::Output {
        let (auto_advance, patience) = (self.auto_advance.get(), self.patience.get());
        match Task::new(future.into_future()).finish(auto_advance, patience) {
            Ok(output) => output,
            Err(stuck) => panic!("{stuck}, at {:?}", self.elapsed()),
        }
    }

    /// Sets whether the clock advances by itself in later calls of [`block_on`](Self::block_on). The default is `true`. With
    /// `false`, only [`advance`](Self::advance) advances the clock.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing;
    /// use std::time::Duration;
    ///
    /// let time = testing::pause();
    /// time.auto_advance(false);
    /// let (sender, receiver) = futures::channel::oneshot::channel();
    /// std::thread::spawn(|| sender.send(7).unwrap());
    /// let answer = receiver.cancelable(timeout(Duration::from_millis(1)));
    /// assert_eq!(time.block_on(answer), Ok(Ok(7)));
    /// ```
    pub fn auto_advance(&self, on: bool) {
        self.auto_advance.set(on);
    }

    /// Sets how long later calls of [`block_on`](Self::block_on) wait, in real time, before they panic
    /// because the future makes no progress. The default is 5 seconds.
    ///
    /// ```should_panic
    /// use std::time::Duration;
    /// let time = cancelable::testing::pause();
    /// time.patience(Duration::from_millis(1));
    /// time.block_on(std::future::pending::<()>()); // Nothing will ever wake this future.
    /// ```
    pub fn patience(&self, patience: Duration) {
        self.patience.set(patience);
    }
}

impl Drop for PausedTime {
    fn drop(&mut self) {
        virtual_time::resume();
    }
}

impl fmt::Debug for PausedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PausedTime")
            .field("elapsed", &self.elapsed())
            .field("until_next", &self.until_next())
            .finish_non_exhaustive()
    }
}
