//! `pause`: virtual time on the current thread.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use super::task::Task;
use crate::clock;
use crate::timer::virtual_time;

/// How long another thread has time to wake a future, unless one says otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Pauses time on this thread, until what it returns is dropped.
///
/// From here on, whatever this crate measures on this thread is measured on a virtual clock, exact
/// to the nanosecond: [`timeout`](crate::timeout()) and [`deadline`](crate::deadline()), the pauses
/// of [`condition`](crate::condition()), [`grace`](crate::Cancelable::grace),
/// [`shield_for`](crate::shield_for()), [`finally_for`](crate::Cancelable::finally_for),
/// [`idle_timeout`](crate::CancelableStream::idle_timeout), what
/// [`Registry::shutdown`](crate::Registry::shutdown) waits, and what operations and registries tell of
/// their time. The clock starts at the present moment, and then stands still until
/// you [advance](PausedTime::advance) it. Within [`block_on`](PausedTime::block_on) it also moves by
/// itself, when there is nothing else to do.
///
/// Timers of others, such as those of a runtime, know nothing of it. Nor does
/// [`Instant::now`]: use [`now`](PausedTime::now) where a test needs a moment. And
/// [`blocking_wait_timeout`](crate::CancellationToken::blocking_wait_timeout) blocks the thread, on
/// which nobody could move the clock meanwhile: it keeps to the clock of the machine.
///
/// # Threads
///
/// Other threads go by the clock of the machine. A limit belongs to the thread on which it was first
/// waited for: one that is registered here fires when time here has come, whoever polls it, and then
/// wakes whoever polled it last.
///
/// When time goes on, what is left of a limit passes in real time. A moment that was read while time
/// was paused is later than those of the machine by as much as the clock was advanced; so a limit
/// whose clock has started, and that nobody has waited for yet, is late by that much. End what you
/// have begun before you drop the guard.
///
/// Limits that are under way when time is paused keep to the clock of the machine.
///
/// # Panics
///
/// When time is paused on this thread already.
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
#[must_use = "time goes on when it is dropped"]
#[track_caller]
pub fn pause() -> PausedTime {
    match pause_unless_paused() {
        Some(time) => time,
        None => panic!("time is paused on this thread already"),
    }
}

/// The guard, or nothing where time is paused already.
pub(super) fn pause_unless_paused() -> Option<PausedTime> {
    if clock::virtual_now().is_some() {
        return None;
    }
    let start = clock::real();
    clock::set(Some(start));
    Some(PausedTime {
        start,
        auto_advance: Cell::new(true),
        patience: Cell::new(PATIENCE),
        not_send: PhantomData,
    })
}

/// Runs a future to its end in virtual time: [`pause`], and [`block_on`](PausedTime::block_on).
///
/// Where time is paused already, it is the same clock that moves.
///
/// # Panics
///
/// When nothing will ever wake the future, as [`block_on`](PausedTime::block_on) tells. A panic of
/// the future goes through.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing;
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let run = std::future::pending::<()>().cancelable(timeout(minute));
/// let operation = run.operation();
/// assert!(testing::run(run).unwrap_err().is_timeout());
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

/// Time that is paused on this thread. Made by [`pause`]; dropping it lets time go on.
///
/// It stays on its thread:
///
/// ```compile_fail
/// let time = cancelable::testing::pause();
/// std::thread::spawn(move || drop(time));
/// ```
#[must_use = "time goes on when it is dropped"]
pub struct PausedTime {
    start: Instant,
    auto_advance: Cell<bool>,
    patience: Cell<Duration>,
    /// The clock is that of this thread.
    not_send: PhantomData<*const ()>,
}

impl PausedTime {
    /// The present moment on the virtual clock.
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

    /// How much virtual time has passed since time was paused.
    ///
    /// ```
    /// use std::time::Duration;
    /// let time = cancelable::testing::pause();
    /// assert_eq!(time.elapsed(), Duration::ZERO);
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.start)
    }

    /// Moves the clock. Every limit that ends meanwhile fires at its own moment, in order, and wakes
    /// who waits for it; those who are woken are polled by you, when you are back.
    ///
    /// So what starts a limit only when it is polled starts it at the end of the step: a
    /// [`condition`](crate::condition()) makes one check for each step, however long. Small steps, or
    /// [`block_on`](Self::block_on), show each of them.
    ///
    /// # Panics
    ///
    /// When it is further than the clock can tell.
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
            None => panic!("the clock cannot tell what is {by:?} from now"),
        }
    }

    /// How long it is until the next limit ends, if any runs here.
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

    /// Runs a future to its end. When it is pending and nothing has woken it, the clock moves to the
    /// next limit, which fires.
    ///
    /// Where no limit runs, it waits for another thread to wake it, for as long as its
    /// [patience](Self::patience) lasts. Where one runs, it does not wait for other threads: a limit
    /// of an hour then strikes at once, also where a thread would have been ready in a millisecond.
    /// For such work, switch [auto-advance](Self::auto_advance) off.
    ///
    /// # Panics
    ///
    /// When nothing will ever wake the future: no limit runs here, or auto-advance is off, and no other
    /// thread has woken it for as long as its patience lasts. When it waits without end: the clock has
    /// moved a hundred thousand times or more, and for longer in real time than its patience lasts. When
    /// it does not rest: a limit runs here, but each of as many polls has woken it, for as long, so that
    /// the clock does not move. A panic of the future goes through.
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

    /// Whether the clock moves by itself in later calls of [`block_on`](Self::block_on). The default
    /// is that it does. Where it does not, only [`advance`](Self::advance) moves it.
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

    /// How long later calls of [`block_on`](Self::block_on) wait for another thread, in real time;
    /// and how long they go on, at least, where the clock moves and moves, or where the future does not
    /// rest. The default is five seconds.
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
