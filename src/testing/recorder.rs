//! `Recorder`: records the events of operations, in order.

use std::collections::HashMap;
use std::fmt::{self, Debug, Display};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::diff::diff;
use super::{Event, EventKind};
use crate::clock;
use crate::error::Cancelled;
use crate::future::{Cancelable, Ending, TryCancelable};
use crate::operation::{Operation, OperationId};
use crate::sync::Mutex;

/// Records when operations start, report progress and end.
///
/// Use it to test the order of events, or what an operation reports while it runs.
///
/// Clones share the recording. Each event is a line of text, printed by [`EventKind`]. If more than one operation is
/// watched, each line starts with the name of its operation. An operation without a name is called `#1` if it was the first
/// to be watched, `#2` if it was the second, and so on.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::{self, Recorder};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let time = testing::pause();
/// let events = Recorder::new();
/// let copy = scope(timeout(ms(20)), async |operation: Operation| {
///     timeout(ms(5)).await;
///     operation.report_progress("half");
///     timeout(ms(60)).await;
/// });
/// let outcome = time.block_on(events.watch(copy));
///
/// assert!(outcome.is_err());
/// events.assert(["started", "progress half", "cancelled: timed out after 20ms"]);
/// events.assert_timed([
///     (ms(0), "started"),
///     (ms(5), "progress half"),
///     (ms(20), "cancelled: timed out after 20ms"),
/// ]);
/// ```
#[derive(Clone)]
pub struct Recorder {
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Default)]
struct Recorded {
    /// Watched operations and their numbers, from 1.
    watched: HashMap<OperationId, usize>,
    events: Vec<Event>,
    /// When the first event was recorded.
    since: Option<Instant>,
}

/// A future that a [`Recorder`] can [watch](Recorder::watch): [`Cancelable`] or [`TryCancelable`]. This
/// trait is sealed.
pub trait Watched: sealed::Watched {}

impl<R: sealed::Watched> Watched for R {}

mod sealed {
    use super::*;

    pub trait Watched {
        fn handle(&self) -> Operation;
    }

    impl<F: Future, S, E: Ending<F::Output>> Watched for Cancelable<F, S, E> {
        fn handle(&self) -> Operation {
            self.operation()
        }
    }

    impl<F, S, E, T, X> Watched for TryCancelable<F, S, E>
    where
        F: Future<Output = Result<T, X>>,
        E: Ending<Result<T, X>>,
        X: From<Cancelled> + Display,
    {
        fn handle(&self) -> Operation {
            self.operation()
        }
    }
}

impl Recorded {
    /// Adds an operation. Returns false if the operation is watched already.
    fn add(&mut self, operation: OperationId) -> bool {
        let number = self.watched.len() + 1;
        *self.watched.entry(operation).or_insert(number) == number
    }

    /// Returns the events with the numbers of their operations, and whether several operations are watched.
    fn numbered(&self) -> (Vec<(Event, usize)>, bool) {
        let numbered = |event: &Event| (event.clone(), self.watched[&event.operation]);
        (self.events.iter().map(numbered).collect(), self.watched.len() > 1)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl Recorder {
    /// Creates an empty recorder. Its times count from the first event that it records.
    ///
    /// ```
    /// cancelable::testing::Recorder::new().assert([""; 0]);
    /// ```
    pub fn new() -> Self {
        Recorder { recorded: Arc::default() }
    }

    /// Watches a future from its start, and returns it.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::{self, Recorder};
    /// let events = Recorder::new();
    /// let operation = events.watch(async { 7 }.cancelable(never()));
    /// assert_eq!(testing::run(operation), Ok(7));
    /// events.assert(["started", "completed"]);
    /// ```
    #[must_use = "the watched future does nothing unless you run it"]
    pub fn watch<R: Watched>(&self, future: R) -> R {
        self.attach(&future.handle());
        future
    }

    /// Watches an operation through its handle.
    ///
    /// If the operation has started already, its start is not recorded. If it has ended, its end is
    /// recorded now. Watching an operation twice has no effect.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Recorder;
    /// let future = std::future::pending::<()>().cancelable(never());
    /// let events = Recorder::new();
    /// events.attach(&future.operation());
    /// future.operation().report_progress(Progress::at(0.5));
    /// events.assert(["progress 50%"]);
    /// ```
    pub fn attach(&self, operation: &Operation) {
        if !self.recorded.lock().add(operation.id()) {
            return;
        }
        let this = self.clone();
        operation.on_start(Box::new(move |operation| this.record(operation, EventKind::Started)));
        let this = self.clone();
        operation.on_progress(move |operation, progress| {
            this.record(operation, EventKind::Progress(progress.clone()));
        });
        let this = self.clone();
        operation.on_complete(move |operation| this.record(operation, EventKind::Completed));
        let this = self.clone();
        operation.on_cancel(move |operation, reason| {
            this.record(operation, EventKind::Cancelled(reason.clone()));
        });
        let this = self.clone();
        operation.on_error(move |operation, error| {
            this.record(operation, EventKind::Failed(error.to_string().into()));
        });
    }

    fn record(&self, operation: &Operation, kind: EventKind) {
        let (now, name) = (clock::now(), operation.name_text());
        let mut recorded = self.recorded.lock();
        let at = now.saturating_duration_since(*recorded.since.get_or_insert(now));
        recorded.events.push(Event { at, operation: operation.id(), name, kind });
    }

    /// Returns the events in order.
    ///
    /// ```
    /// use cancelable::testing::Recorder;
    /// assert!(Recorder::new().events().is_empty());
    /// ```
    pub fn events(&self) -> Vec<Event> {
        self.recorded.lock().events.clone()
    }

    /// Removes all events and returns them in order.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Recorder;
    /// let events = Recorder::new();
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// events.attach(&operation);
    /// operation.report_progress("half");
    /// assert_eq!(events.take().len(), 1);
    /// operation.report_progress("done");
    /// events.assert(["progress done"]);
    /// ```
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.recorded.lock().events)
    }

    /// Returns the events as lines of text.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::Recorder;
    /// let events = Recorder::new();
    /// for name in ["a", "b"] {
    ///     let future = async {}.cancelable(never()).named(name);
    ///     let operation = future.operation();
    ///     events.attach(&operation);
    ///     operation.report_progress("half");
    /// }
    /// assert_eq!(events.lines(), ["a: progress half", "b: progress half"]);
    /// ```
    pub fn lines(&self) -> Vec<String> {
        self.timed_lines().into_iter().map(|(_, line)| line).collect()
    }

    fn timed_lines(&self) -> Vec<(Duration, String)> {
        let (numbered, several) = self.recorded.lock().numbered();
        // The events are printed after the lock is released, because printing the error in a reason runs user code.
        let line = |(event, number): (Event, usize)| {
            let line = match &event.name {
                _ if !several => event.to_string(),
                Some(name) => format!("{name}: {event}"),
                None => format!("#{number}: {event}"),
            };
            (event.at, line)
        };
        numbered.into_iter().map(line).collect()
    }

    /// Asserts that exactly these lines were recorded, in this order.
    ///
    /// # Panics
    ///
    /// Panics if the recording differs. The message shows the expected and the recorded lines as one list: `-` marks a
    /// missing line, and `+` marks an unexpected line, with its time.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::{self, Recorder};
    /// let token = CancellationToken::new();
    /// token.cancel_with("stop");
    /// let events = Recorder::new();
    /// assert!(testing::run(events.watch(async {}.cancelable(&token))).is_err());
    /// events.assert(["started", "cancelled: stop"]);
    /// ```
    ///
    /// ```should_panic
    /// # use cancelable::testing::Recorder;
    /// Recorder::new().assert(["started"]);
    /// ```
    #[track_caller]
    pub fn assert<L: AsRef<str>>(&self, expected: impl IntoIterator<Item = L>) {
        let expected: Vec<_> = expected.into_iter().map(|line| line.as_ref().to_owned()).collect();
        let (times, actual): (Vec<_>, Vec<_>) = self.timed_lines().into_iter().unzip();
        if actual != expected {
            let text = diff(&expected, &actual, |place| format!("at {:?}", times[place]));
            panic!("the recorded events differ (- expected, + recorded):\n{text}");
        }
    }

    /// Asserts that exactly these lines were recorded, in this order and at these times. Use it with
    /// virtual time.
    ///
    /// # Panics
    ///
    /// The same as for [`assert`](Self::assert).
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::{self, Recorder};
    /// use std::time::Duration;
    /// let time = testing::pause();
    /// let events = Recorder::new();
    /// let nap = timeout(Duration::from_secs(1)).cancelable(never());
    /// time.block_on(events.watch(nap))?;
    /// events.assert_timed([(Duration::ZERO, "started"), (Duration::from_secs(1), "completed")]);
    /// # Ok::<(), Cancelled>(())
    /// ```
    #[track_caller]
    pub fn assert_timed<L: AsRef<str>>(&self, expected: impl IntoIterator<Item = (Duration, L)>) {
        let line = |at: Duration, line: &str| format!("{at:?} {line}");
        let expected: Vec<_> =
            expected.into_iter().map(|(at, what)| line(at, what.as_ref())).collect();
        let actual: Vec<_> =
            self.timed_lines().into_iter().map(|(at, what)| line(at, &what)).collect();
        if actual != expected {
            let text = diff(&expected, &actual, |_| String::new());
            panic!("the recorded events differ (- expected, + recorded):\n{text}");
        }
    }
}

impl Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("events", &self.events()).finish_non_exhaustive()
    }
}
