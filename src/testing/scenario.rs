//! `Scenario`: what happens to a run, when, and what is to become of it.

use std::fmt::{self, Debug};
use std::ops::RangeBounds;
use std::task::Poll;
use std::time::Duration;

use super::steps::{Action, Expected, Step};
use super::task::Task;
use super::time::{PATIENCE, pause_unless_paused};
use super::transcript::Transcript;
use crate::timer::virtual_time;
use crate::{CancellationToken, Cancelled, Reason, clock};

/// A script: what happens to a run, when, and what is to become of it. In virtual time.
///
/// Steps come at the moments that [`after`](Self::after) says, and those before the first `after` come
/// before the run is first polled; expectations of the outcome hold for the end, wherever they stand.
/// Steps that come after the run has ended are left out, except that
/// [`expect_pending`](Self::expect_pending) does not hold then.
///
/// # Examples
///
/// "20 ms, then cancel, expect cancelled":
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
    /// In order of time.
    steps: Vec<Step<'a>>,
    /// When the next step comes. `None` is before the first poll.
    at: Option<Duration>,
    expected: Vec<Expected<'a>>,
}

impl<'a> Scenario<'a> {
    /// One in which nothing happens.
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

    /// The next step comes so much later than the one before, or than the start; and once the run is
    /// pending, also after no time.
    ///
    /// Where a limit of the run ends at that very moment, it comes first.
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

    /// Fires the source of the run, for that reason.
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

    /// Calls a function: to do something else to the run, or to assert what holds at that moment. Where
    /// the run has ended before, it is not called: say [`expect_pending`](Self::expect_pending) first,
    /// so that the assertion is not missed.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::time::Duration;
    /// let run = timeout(Duration::from_secs(2)).cancelable(never()).named("nap");
    /// let operation = run.operation();
    /// Scenario::new()
    ///     .after(Duration::from_secs(1))
    ///     .expect_pending()
    ///     .call(|| assert_eq!(operation.elapsed(), Duration::from_secs(1)))
    ///     .call(|| assert_eq!(operation.status(), Status::Running))
    ///     .run(|_| run);
    /// ```
    pub fn call(self, f: impl FnOnce() + 'a) -> Self {
        self.step(Action::Call(Box::new(f)))
    }

    /// At that moment the run has not ended.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Scenario;
    /// use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// // It is asked after 10 ms, and has 5 ms to end by itself.
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

    /// The run returns a value.
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

    /// The run is cancelled, for that reason, or because one above it was cancelled for it.
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

    /// The run ends exactly then, counted from its start.
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

    /// The run ends within that time, counted from its start.
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

    /// Runs what `make` makes of a source.
    ///
    /// # Panics
    ///
    /// When an expectation does not hold: with what was expected, what came out, and what happened
    /// until then. When nothing will ever wake the run. A panic of the run goes through.
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
    /// // Expected that it is cancelled for `stop`, and it returned `7`.
    /// Scenario::new().expect_cancelled("stop").run(|source| async { 7 }.cancelable(source));
    /// ```
    #[track_caller]
    pub fn run<F, T>(self, make: impl FnOnce(CancellationToken) -> F)
    where
        F: IntoFuture<Output = Result<T, Cancelled>>,
        T: Debug,
    {
        drop(self.outcome(make));
    }

    /// The same, and gives back what came out.
    ///
    /// # Panics
    ///
    /// As for [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// What the run came out with.
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
    pub fn outcome<F, T>(self, make: impl FnOnce(CancellationToken) -> F) -> Result<T, Cancelled>
    where
        F: IntoFuture<Output = Result<T, Cancelled>>,
        T: Debug,
    {
        let _time = pause_unless_paused();
        let mut transcript = Transcript::begin();
        let token = CancellationToken::new();
        let mut task = Task::new(make(token.clone()).into_future());
        let mut steps = self.steps.into_iter().peekable();
        while let Some(step) = steps.next_if(|step| step.at.is_none()) {
            step.action.happen(&token, &mut transcript);
        }
        let outcome = loop {
            match task.is_restless(PATIENCE) {
                Ok(false) => {}
                Ok(true) => match task.poll() {
                    Poll::Ready(outcome) => break outcome,
                    Poll::Pending => continue,
                },
                Err(stuck) => transcript.fail_to_end(stuck),
            }
            let due = steps.peek().and_then(|step| transcript.moment(step.at?));
            if let Some(due) = due.filter(|due| virtual_time::next().is_none_or(|next| next > *due))
            {
                virtual_time::move_to(due.max(clock::now()));
                let step = steps.next();
                step.into_iter().for_each(|step| step.action.happen(&token, &mut transcript));
            } else if let Err(stuck) = task.step(PATIENCE) {
                transcript.fail_to_end(stuck);
            }
        };
        transcript.note(format_args!("the run came out as {outcome:?}"));
        let mut left = steps.filter(|step| matches!(step.action, Action::ExpectPending));
        if let Some(step) = left.next() {
            transcript.fail(&format_args!(
                "that the run is pending at {:?}",
                step.at.unwrap_or_default()
            ));
        }
        for expected in self.expected {
            if !expected.holds(&outcome, transcript.elapsed()) {
                transcript.fail(&expected);
            }
        }
        outcome
    }
}

impl fmt::Debug for Scenario<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("steps", &self.steps.len())
            .field("expected", &self.expected.len())
            .finish()
    }
}
