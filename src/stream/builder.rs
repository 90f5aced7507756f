//! The methods by which a stream is observed and cleaned up after.

use std::fmt::Display;
#[cfg(feature = "time")]
use std::time::Duration;

use futures::stream::Stream;

use super::{CancelableStream, Stage};
use crate::future::{Ending, Extra, Finally, FinallyOrSpawn, Spawner};
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::{Cancelled, Operation, Progress, Reason, Text};

impl<St: Stream, S, E, M> CancelableStream<St, S, E, M> {
    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_mut().get_or_insert_default()
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Stopped(_))
    }

    pub(super) fn handle(&self) -> Operation {
        let over = self.is_over();
        self.extra.handle(matches!(self.stage, Stage::Streaming), over)
    }

    /// Tells the operation something; from here on it is one.
    fn tell(mut self, tell: impl FnOnce(&mut Operation)) -> Self {
        tell(self.extra().make_operation());
        self
    }

    /// Hands the operation to somebody who may [watch](Operation::watch) it from here on, unless it has
    /// ended.
    pub(crate) fn show(mut self, show: impl FnOnce(&Operation)) -> Self {
        if !self.is_over() {
            // That it has begun is noted, as for whoever asks for a handle.
            self.handle();
            self.extra().show(show);
        }
        self
    }

    /// Runs something more afterwards.
    fn and_then<N>(mut self, ending: impl FnOnce(E) -> N) -> CancelableStream<St, S, N, M> {
        self.extra().make_operation();
        let CancelableStream { stream, source, desk, ending: earlier, stage, free_looks, extra } =
            self;
        let ending = ending(earlier);
        CancelableStream { stream, source, desk, ending, stage, free_looks, extra }
    }
}

/// What makes the stream an operation. It is what a [`Cancelable`](crate::Cancelable) has.
impl<St: Stream, S, E: Ending<()>, M> CancelableStream<St, S, E, M> {
    /// The handle of the operation, before the first poll or after.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let numbers = stream::iter(0..10).cancelable(never());
    /// let operation = numbers.operation();
    /// assert_eq!(operation.status(), Status::Pending);
    /// assert_eq!(numbers.count().await, 10);
    /// assert_eq!(operation.status(), Status::Completed);
    /// # });
    /// ```
    pub fn operation(&self) -> Operation {
        self.handle()
    }

    /// Names it: for logs, snapshots, and the reasons of operations below. An empty name is none.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::stream;
    /// let lines = stream::empty::<()>().cancelable(never()).named("lines");
    /// assert_eq!(lines.operation().name().as_deref(), Some("lines"));
    /// ```
    pub fn named(self, name: impl Into<Text>) -> Self {
        let name = name.into();
        self.tell(|operation| operation.set_name(name))
    }

    /// Attaches something to it, in place of what had the same key.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::stream;
    /// let lines = stream::empty::<()>().cancelable(never()).metadata("file", "a.txt");
    /// assert_eq!(lines.operation().metadata()["file"], "a.txt");
    /// ```
    pub fn metadata(self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.tell(|operation| operation.set_metadata(key, value))
    }

    /// Enters it below `parent`, instead of below the operation in which it is first polled. The
    /// first parent stays.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let parent = async {}.cancelable(never()).named("ingest").operation();
    /// let mut below = stream::pending::<()>().cancelable(never()).child_of(&parent);
    /// parent.cancel_with("stop");
    /// let cancelled = below.next().await.unwrap().unwrap_err();
    /// assert!(cancelled.is_parent());
    /// assert_eq!(cancelled.reason().root(), &Reason::manual("stop"));
    /// # });
    /// ```
    pub fn child_of(self, parent: &Operation) -> Self {
        self.tell(|operation| operation.enter_below(parent))
    }

    /// Calls `hook` at the first poll, before the source and the stream are looked at.
    ///
    /// Hooks of one kind run in the order in which they were given. One that panics harms neither
    /// the others nor the operation.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let mut numbers = stream::iter(0..).cancelable(never()).on_start(|operation| {
    ///     operation.cancel();
    /// });
    /// assert!(numbers.next().await.unwrap().is_err());
    /// # });
    /// ```
    pub fn on_start(self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
        self.tell(|operation| operation.on_start(Box::new(hook)))
    }

    /// Calls `hook` at each report of progress, on the thread that reports. A stream reports by
    /// itself where [`report_every`](Self::report_every) asks for that.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(0..10).cancelable(never()).report_every(5);
    /// let numbers = numbers.on_progress(|_, progress| {
    ///     assert!(matches!(progress.get("items"), Some("5" | "10")));
    /// });
    /// assert_eq!(numbers.count().await, 10);
    /// # });
    /// ```
    pub fn on_progress(self, hook: impl Fn(&Operation, &Progress) + Send + Sync + 'static) -> Self {
        self.tell(|operation| operation.on_progress(hook))
    }

    /// Calls `hook` when the stream has come to its end. Of the three kinds of ending, exactly one
    /// calls its hooks, once the stream is gone and clean-up has run.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(0..10).cancelable(never()).on_complete(|operation| {
    ///     assert_eq!(operation.status(), Status::Completed);
    /// });
    /// assert_eq!(numbers.count().await, 10);
    /// # });
    /// ```
    pub fn on_complete(self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
        self.tell(|operation| operation.on_complete(hook))
    }

    /// Calls `hook` when it was cancelled, also by a consumer that left.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(0..).cancelable(never()).on_cancel(|_, reason| {
    ///     assert_eq!(reason, &Reason::Dropped);
    /// });
    /// assert_eq!(numbers.take(2).count().await, 2);
    /// # });
    /// ```
    pub fn on_cancel(self, hook: impl FnOnce(&Operation, &Reason) + Send + 'static) -> Self {
        self.tell(|operation| operation.on_cancel(hook))
    }

    /// Calls `hook` when the stream has panicked. An item that is an error is an item.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{FutureExt, StreamExt, stream};
    /// use std::panic::AssertUnwindSafe;
    /// # smol::block_on(async {
    /// let broken = stream::iter([1]).map(|_| -> u32 { panic!("no disk") });
    /// let broken = broken
    ///     .cancelable(never())
    ///     .on_error(|_, error| assert_eq!(error.to_string(), "panicked: no disk"));
    /// let operation = broken.operation();
    /// assert!(AssertUnwindSafe(broken.count()).catch_unwind().await.is_err());
    /// assert_eq!(operation.status(), Status::Failed);
    /// # });
    /// ```
    pub fn on_error(self, hook: impl FnOnce(&Operation, &dyn Display) + Send + 'static) -> Self {
        self.tell(|operation| operation.on_error(hook))
    }

    /// Lets the stream go on for so long once it is asked to stop, so that it can end by itself.
    ///
    /// When the source fires the operation is [cancelled](Operation::cancelled), and items go on
    /// to come. If the stream ends in time, it has ended: there is no error, and the reason stays
    /// readable at the handle. Otherwise it is dropped, and
    /// [`was_forced`](Cancelled::was_forced) of the error says so. The clock starts at the first
    /// poll that sees the cancellation. A source that has fired by the first poll of all leaves no
    /// grace: the stream never starts.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// let asked = token.clone();
    /// let polite = stream::iter(1..).take_while(move |_| {
    ///     std::future::ready(!asked.is_cancelled())
    /// });
    /// let mut polite = Box::pin(polite.cancelable(&token).grace(Duration::from_secs(60)));
    /// assert_eq!(polite.next().await, Some(Ok(1)));
    /// token.cancel();
    /// assert_eq!(polite.next().await, None);
    /// assert_eq!(polite.operation().status(), Status::Completed);
    /// # });
    /// ```
    #[cfg(feature = "time")]
    pub fn grace(mut self, limit: Duration) -> Self {
        self.extra().set_grace(Countdown::lasting(limit));
        self
    }

    /// Runs `clean_up` once the stream is gone, and before its end or the error is handed out: on
    /// every ending, a panic included, which then goes on. `Ok` is a stream that came to its end.
    ///
    /// It runs as part of the poll of the stream, and may await. It is shielded from everything
    /// around it. Several run one after another, in the order in which they were given. A stream
    /// that was never polled cleans up nothing.
    ///
    /// A consumer that leaves drops the stream, and clean-up that has not finished is lost;
    /// [`on_clean_up_lost`](Self::on_clean_up_lost) tells. So does a race around a consumer that is
    /// cancelled while the consumer is busy with an item: only one that waits for an item is waited
    /// for. See [`finally_or_spawn`](Self::finally_or_spawn) for what must run even then.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// use std::cell::Cell;
    ///
    /// # smol::block_on(async {
    /// let closed = Cell::new(false);
    /// let token = CancellationToken::new();
    /// token.cancel();
    /// let numbers = stream::iter(0..).cancelable(&token).finally(|outcome| {
    ///     assert!(outcome.is_err());
    ///     async { closed.set(true) }
    /// });
    /// let mut numbers = Box::pin(numbers);
    /// assert!(numbers.next().await.unwrap().is_err());
    /// assert!(closed.get());
    /// # });
    /// ```
    pub fn finally<C, Fut>(self, clean_up: C) -> CancelableStream<St, S, Finally<(), E, C, Fut>, M>
    where
        C: FnOnce(&Result<(), Cancelled>) -> Fut,
        Fut: Future<Output = ()>,
    {
        let mut this = self.and_then(|earlier| Finally::new(earlier, clean_up));
        this.extra().owe_clean_up();
        this
    }

    /// The same, for so long at most: then the clean-up is dropped where it stands.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// use std::future::pending;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let limit = Duration::from_millis(1);
    /// let numbers = stream::iter(0..3).cancelable(never()).finally_for(limit, |_| pending());
    /// assert_eq!(numbers.count().await, 3);
    /// # });
    /// ```
    #[cfg(feature = "time")]
    pub fn finally_for<C, Fut>(
        self,
        limit: Duration,
        clean_up: C,
    ) -> CancelableStream<St, S, Finally<(), E, C, Fut>, M>
    where
        C: FnOnce(&Result<(), Cancelled>) -> Fut,
        Fut: Future<Output = ()>,
    {
        let limit = Countdown::lasting(limit);
        let mut this = self.and_then(|earlier| Finally::new(earlier, clean_up).within(limit));
        this.extra().owe_clean_up();
        this
    }

    /// The same as [`finally`](Self::finally), for clean-up that must run even where the stream is
    /// dropped before its end: then what is left of it is handed to `spawn`, once.
    ///
    /// What is dropped before its first poll has nothing to clean up, and spawns nothing. Clean-up
    /// that had not begun is told of [`Reason::Dropped`].
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// use std::sync::mpsc::channel;
    ///
    /// # smol::block_on(async {
    /// let (sender, receiver) = channel();
    /// let numbers = stream::iter(0..).cancelable(never()).finally_or_spawn(
    ///     |task| smol::spawn(task).detach(),
    ///     move |_| async move { sender.send("closed").unwrap() },
    /// );
    /// assert_eq!(numbers.take(2).count().await, 2);
    /// assert_eq!(receiver.recv(), Ok("closed"));
    /// # });
    /// ```
    pub fn finally_or_spawn<P, C, Fut>(
        self,
        spawn: P,
        clean_up: C,
    ) -> CancelableStream<St, S, FinallyOrSpawn<(), E, C, Fut, P>, M>
    where
        P: Spawner,
        C: FnOnce(&Result<(), Cancelled>) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let started = matches!(self.stage, Stage::Streaming);
        self.and_then(|earlier| FinallyOrSpawn::new(earlier, clean_up, spawn).started(started))
    }

    /// Calls `hook` where clean-up of [`finally`](Self::finally) is lost, because the stream was
    /// dropped before it had finished.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// use std::sync::mpsc::channel;
    ///
    /// # smol::block_on(async {
    /// let (sender, receiver) = channel();
    /// let numbers = stream::iter(0..)
    ///     .cancelable(never())
    ///     .finally(|_| async {})
    ///     .on_clean_up_lost(move |operation| sender.send(operation.id()).unwrap());
    /// assert_eq!(numbers.take(2).count().await, 2);
    /// assert!(receiver.recv().is_ok());
    /// # });
    /// ```
    pub fn on_clean_up_lost(mut self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
        self.extra().on_clean_up_lost(Box::new(hook));
        self
    }
}
