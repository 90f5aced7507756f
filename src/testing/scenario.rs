//! `Scenario`: a script of steps and expectations for one operation.

use std::error::Error;
use std::fmt::{self, Debug};
use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Poll;
use std::time::Duration;

use super::steps::{Action, Expected, Step, Transcript};
use super::task::Task;
use super::time::{PATIENCE, pause_unless_paused};
use crate::clock;
use crate::panic::{discard, message};
use crate::reason::Reason;
use crate::source::CancellationToken;
use crate::timer::virtual_time;

/// A script for one operation, in virtual time: what happens to it, when, and how it should end.
///
/// * Steps before the first [`after`](Self::after) happen before the first poll. Later steps happen at the times that
///   `after` gives them.
/// * Steps after the end of the operation are skipped. The exception is [`expect_pending`](Self::expect_pending), which
///   fails in that case.
/// * Expectations of the output are checked at the end, wherever they are written.
///
/// The operation returns a `Result`. The error is [`Cancelled`](crate::Cancelled) or an error type of your own.
///
/// # Examples
///
/// An operation that is cancelled after 20 ms must end at once:
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::Scenario;
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// Scenario::new()
///     .after(ms(20))
///     .cancel("stop")
///     .expect_cancelled("stop")
///     .expect_at(ms(20))
///     .run(|source| timeout(ms(60)).cancelable(source));
/// ```
#[must_use = "a scenario does nothing unless it is run"]
#[derive(Default)]
pub struct Scenario<'a> {
    /// The steps, ordered by time.
    steps: Vec<Step<'a>>,
    /// Time of the next step. `None` is before the first poll.
    at: Option<Duration>,
    expected: Vec<Expected<'a>>,
}

impl<'a> Scenario<'a> {
    /// Creates a scenario without steps or expectations.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// let outcome = Scenario::new().outcome(|source| async { 7 }.cancelable(source));
    /// assert_eq!(outcome, Ok(7));
    /// ```
    pub fn new() -> Self {
        Scenario::default()
    }

    /// Schedules the next step `pause` after the previous step, or after the start if there is none.
    ///
    /// The step happens after the first poll, even if `pause` is zero. If a limit of the operation ends at the same
    /// instant, the limit fires first.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::time::Duration;
    /// let second = Duration::from_secs(1);
    /// Scenario::new()
    ///     .after(second)
    ///     .cancel("too late")
    ///     .expect_cancelled(Reason::timeout(second))
    ///     .run(|source| std::future::pending::<()>().cancelable(source | timeout(second)));
    /// ```
    pub fn after(mut self, pause: Duration) -> Self {
        self.at = Some(self.at.unwrap_or_default().saturating_add(pause));
        self
    }

    fn step(mut self, action: Action<'a>) -> Self {
        self.steps.push(Step { at: self.at, action });
        self
    }

    /// Fires the source of the operation with this reason.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// let outcome = Scenario::new().cancel("stop").outcome(|source| async {}.cancelable(source));
    /// assert_eq!(outcome, Err(Cancelled::new("stop")));
    /// ```
    pub fn cancel(self, reason: impl Into<Reason>) -> Self {
        self.step(Action::Cancel(reason.into()))
    }

    /// Calls a function, which may check the state of the operation or do something else to it.
    ///
    /// If the operation has ended by then, the function is not called. To fail in that case, put
    /// [`expect_pending`](Self::expect_pending) before this step.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::time::Duration;
    /// let future = timeout(Duration::from_secs(2)).cancelable(never()).named("nap");
    /// let operation = future.operation();
    /// Scenario::new()
    ///     .after(Duration::from_secs(1))
    ///     .expect_pending()
    ///     .call(|| assert_eq!(operation.elapsed(), Duration::from_secs(1)))
    ///     .call(|| assert_eq!(operation.status(), Status::Running))
    ///     .run(|_| future);
    /// ```
    pub fn call(self, f: impl FnOnce() + 'a) -> Self {
        self.step(Action::Call(Box::new(f)))
    }

    /// Expects that the operation has not ended at the time of this step.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// // Cancelled after 10 ms, the work has a grace period of 5 ms.
    /// let work = |token| std::future::pending::<()>().cancelable(token).grace(ms(5));
    /// Scenario::new()
    ///     .after(ms(10))
    ///     .cancel("stop")
    ///     .after(ms(4))
    ///     .expect_pending()
    ///     .expect_cancelled("stop")
    ///     .expect_at(ms(15))
    ///     .run(work);
    /// ```
    pub fn expect_pending(self) -> Self {
        self.step(Action::ExpectPending)
    }

    /// Expects that the operation returns a value.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// Scenario::new().expect_completed().run(|source| async { 7 }.cancelable(source));
    /// ```
    pub fn expect_completed(mut self) -> Self {
        self.expected.push(Expected::Completed);
        self
    }

    /// Expects that the operation is cancelled with this reason, or because a parent was cancelled with this reason.
    ///
    /// An error of your own counts as cancelled if a [`Cancelled`](crate::Cancelled) is among its
    /// [sources](Error::source).
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// Scenario::new()
    ///     .expect_cancelled(Reason::timeout(minute))
    ///     .run(|_| std::future::pending::<()>().cancelable(timeout(minute)));
    /// ```
    pub fn expect_cancelled(mut self, reason: impl Into<Reason>) -> Self {
        self.expected.push(Expected::Cancelled(reason.into()));
        self
    }

    /// Expects that the operation returns an error that `Display` prints as `text`.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::io;
    /// let work = async { io::Result::<()>::Err(io::ErrorKind::NotFound.into()) };
    /// Scenario::new()
    ///     .expect_error("entity not found")
    ///     .run(|source| work.try_cancelable(source));
    /// ```
    pub fn expect_error(mut self, text: impl Into<String>) -> Self {
        self.expected.push(Expected::Error(text.into()));
        self
    }

    /// Expects that the operation ends exactly `at` after its start.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// Scenario::new().expect_at(minute).run(|source| timeout(minute).cancelable(source));
    /// ```
    pub fn expect_at(mut self, at: Duration) -> Self {
        self.expected.push(Expected::Within(format!("{at:?}"), Box::new(move |end| end == at)));
        self
    }

    /// Expects that the operation ends within this range of times after its start.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// Scenario::new()
    ///     .expect_within(ms(10)..=ms(20))
    ///     .run(|source| timeout(ms(15)).cancelable(source));
    /// ```
    pub fn expect_within(mut self, range: impl RangeBounds<Duration> + Debug + 'a) -> Self {
        let what = format!("{range:?}");
        self.expected.push(Expected::Within(what, Box::new(move |end| range.contains(&end))));
        self
    }

    /// Calls `make` with a source, and runs the future that it returns.
    ///
    /// # Panics
    ///
    /// Panics if an expectation is not met, or if nothing will ever wake the operation. The message shows the expectation,
    /// the output, and everything that happened until then.
    ///
    /// A panic of the operation propagates. If the scenario does not allow the operation to end at the time of the panic,
    /// the message reports both the panic and the expectation.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// let steps = Scenario::new().cancel("stop").expect_cancelled("stop");
    /// steps.run(|source| async { 7 }.cancelable(source));
    /// ```
    ///
    /// ```should_panic
    /// # use cancelable::prelude::*;
    /// # use cancelable::testing::Scenario;
    /// // Expected that the operation is cancelled with: cancelled: stop. It returned `7`.
    /// Scenario::new().expect_cancelled("stop").run(|source| async { 7 }.cancelable(source));
    /// ```
    #[track_caller]
    pub fn run<F, T, E>(self, make: impl FnOnce(CancellationToken) -> F)
    where
        F: IntoFuture<Output = Result<T, E>>,
        T: Debug,
        E: Error + 'static,
    {
        drop(self.outcome(make));
    }

    /// Does the same as [`run`](Self::run), and returns the output of the operation.
    ///
    /// # Panics
    ///
    /// The same as for [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// Returns the error that the operation returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// let outcome = Scenario::new().cancel("stop").outcome(|source| async {}.cancelable(source));
    /// assert!(outcome.unwrap_err().is_manual());
    /// ```
    #[track_caller]
    pub fn outcome<F, T, E>(self, make: impl FnOnce(CancellationToken) -> F) -> Result<T, E>
    where
        F: IntoFuture<Output = Result<T, E>>,
        T: Debug,
        E: Error + 'static,
    {
        let _time = pause_unless_paused();
        let mut transcript = Transcript::new();
        let token = CancellationToken::new();
        let mut task = Task::new(make(token.clone()).into_future());
        let mut steps = self.steps.into_iter().peekable();
        while let Some(step) = steps.next_if(|step| step.at.is_none()) {
            step.action.perform(&token, &mut transcript);
        }
        let outcome = loop {
            match task.is_woken_again(PATIENCE) {
                Ok(false) => {}
                Ok(true) => match catch_unwind(AssertUnwindSafe(|| task.poll())) {
                    Ok(Poll::Ready(outcome)) => break outcome,
                    Ok(Poll::Pending) => continue,
                    Err(panic) => {
                        let end = transcript.elapsed();
                        let window = self.expected.iter().find(|window| !window.allows_end_at(end));
                        let unmet =
                            window.map(ToString::to_string).or_else(|| still_pending(steps));
                        let Some(unmet) = unmet else { resume_unwind(panic) };
                        transcript
                            .note(format_args!("the operation panicked: {}", message(&*panic)));
                        discard(panic);
                        transcript.fail(&unmet)
                    }
                },
                Err(stuck) => transcript.fail_to_end(stuck),
            }
            let due = steps.peek().and_then(|step| transcript.instant(step.at?));
            if let Some(due) = due.filter(|due| virtual_time::next().is_none_or(|next| next > *due))
            {
                virtual_time::move_to(due.max(clock::now()));
                let step = steps.next();
                step.into_iter().for_each(|step| step.action.perform(&token, &mut transcript));
            } else if let Err(stuck) = task.step(PATIENCE) {
                transcript.fail_to_end(stuck);
            }
        };
        transcript.note(format_args!("the operation returned {outcome:?}"));
        if let Some(unmet) = still_pending(steps) {
            transcript.fail(&unmet);
        }
        for expected in self.expected {
            if !expected.is_met(&outcome, transcript.elapsed()) {
                transcript.fail(&expected);
            }
        }
        outcome
    }
}

/// Finds the first step that expects the operation to be pending, and returns the expectation as text. `steps` are the steps
/// after the end of the operation.
fn still_pending<'a>(steps: impl IntoIterator<Item = Step<'a>>) -> Option<String> {
    let mut steps = steps.into_iter();
    let step = steps.find(|step| matches!(step.action, Action::ExpectPending))?;
    Some(format!("that the operation is pending at {:?}", step.at.unwrap_or_default()))
}

impl fmt::Debug for Scenario<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("steps", &self.steps.len())
            .field("expected", &self.expected.len())
            .finish()
    }
}
