//! The builder methods of `Cancelable` and `TryCancelable`: `strict`, which only futures have, and the methods that futures
//! share with streams, with examples for futures.

use std::fmt::Display;
#[cfg(feature = "time")]
use std::time::Duration;

use super::builder_methods::builder_methods;
use super::ending::error_of_result;
use super::run::RunState;
use super::{Cancelable, Ending, Finally, FinallyOrSpawn, JoinsChildren, Phase, TryCancelable};
use crate::error::Cancelled;
use crate::operation::{Operation, Progress};
use crate::reason::Reason;
use crate::spawner::Spawner;
use crate::sync::Ordering;
use crate::text::Text;
#[cfg(feature = "time")]
use crate::timer::{Countdown, SectionLimit};

impl<F, S, E> Cancelable<F, S, E> {
    pub(crate) fn run_state(&mut self) -> &mut RunState {
        *self.is_plain.get_mut() = false;
        self.state.get_mut().get_or_insert_default()
    }

    fn handle(&self) -> Operation {
        let polled = matches!(self.phase, Phase::Racing | Phase::Kept);
        self.is_plain.store(false, Ordering::Relaxed);
        self.state.handle(polled)
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Racing | Phase::Kept | Phase::Ending)
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Stopped)
    }

    fn map_ending<N>(self, map: impl FnOnce(E) -> N) -> Cancelable<F, S, N> {
        let Cancelable { work, source, ending, phase, is_plain, state } = self;
        Cancelable { work, source, ending: map(ending), phase, is_plain, state }
    }
}

impl<F, S, E, T, X> TryCancelable<F, S, E>
where
    F: Future<Output = Result<T, X>>,
    E: Ending<Result<T, X>>,
    X: From<Cancelled> + Display,
{
    pub(super) fn run_state(&mut self) -> &mut RunState {
        self.race.ending.set_error_of(error_of_result);
        self.race.run_state()
    }

    fn handle(&self) -> Operation {
        self.race.ending.set_error_of(error_of_result);
        self.race.handle()
    }

    fn is_running(&self) -> bool {
        self.race.is_running()
    }

    fn is_over(&self) -> bool {
        self.race.is_over()
    }

    fn map_ending<N>(self, map: impl FnOnce(E) -> N) -> TryCancelable<F, S, N> {
        TryCancelable { race: self.race.map_ending(map) }
    }
}

/// Generates the methods of both types, so the documentation of `TryCancelable` has the examples of `Cancelable` too.
macro_rules! methods_of_futures {
    ($($types:tt)*) => {
        builder_methods! {
            $($types)*

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// # smol::block_on(async {
            /// let future = async { 7 }.cancelable(never());
            /// let operation = future.operation();
            /// assert_eq!(future.await, Ok(7));
            /// assert_eq!(operation.status(), Status::Completed);
            /// # });
            /// ```
            operation,

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// let future = async {}.cancelable(never()).named("fetch");
            /// assert_eq!(future.operation().name(), Some("fetch"));
            /// ```
            named,

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// let future = async {}.cancelable(never()).metadata("url", "/a");
            /// assert_eq!(future.operation().metadata()["url"], "/a");
            /// ```
            metadata,

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// # smol::block_on(async {
            /// let above = async {}.cancelable(never()).named("ingest");
            /// let parent = above.operation();
            /// let below = std::future::pending::<()>().cancelable(never()).child_of(&parent);
            /// parent.cancel_with("stop");
            /// let cancelled = below.await.unwrap_err();
            /// assert!(cancelled.is_parent());
            /// assert_eq!(cancelled.reason().root(), &Reason::manual("stop"));
            /// # });
            /// ```
            child_of,

            /// ```
            /// use cancelable::prelude::*;
            /// use tracing::{debug_span, field::Empty};
            ///
            /// # smol::block_on(async {
            /// let charge = async { 7 }.cancelable(never()).in_span(|operation| {
            ///     let id = operation.id().as_u64();
            ///     debug_span!(target: "billing", "charge", operation.id = id, operation.outcome = Empty)
            /// });
            /// assert_eq!(charge.await?, 7);
            /// # Ok::<(), Cancelled>(()) }).unwrap();
            /// ```
            in_span,

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// # smol::block_on(async {
            /// let future = async { 7 }.cancelable(never()).on_start(|operation| {
            ///     operation.cancel();
            /// });
            /// assert!(future.await.is_err());
            /// # });
            /// ```
            on_start,

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// # smol::block_on(async {
            /// let future = scope(never(), async |operation: Operation| {
            ///     operation.report_progress(Progress::steps(1, 2));
            /// });
            /// future.on_progress(|_, progress| assert_eq!(progress.fraction(), Some(0.5))).await?;
            /// # Ok::<(), Cancelled>(()) }).unwrap();
            /// ```
            on_progress,

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// # smol::block_on(async {
            /// let future = async { 7 }.cancelable(never()).on_complete(|operation| {
            ///     assert_eq!(operation.status(), Status::Completed);
            /// });
            /// assert_eq!(future.await, Ok(7));
            /// # });
            /// ```
            on_complete,

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// # smol::block_on(async {
            /// let token = CancellationToken::new();
            /// token.cancel_with("stop");
            /// let operation = async { 7 }.cancelable(&token).on_cancel(|_, reason| {
            ///     assert_eq!(reason, &Reason::manual("stop"));
            /// });
            /// assert!(operation.await.is_err());
            /// # });
            /// ```
            on_cancel,

            /// An operation fails if the work panics, or if fallible work returns an error.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::io;
            ///
            /// # smol::block_on(async {
            /// let operation = async { Err::<(), _>(io::Error::other("no disk")) }
            ///     .try_cancelable(never())
            ///     .on_error(|_, error| assert_eq!(error.to_string(), "no disk"));
            /// assert!(operation.await.is_err());
            /// # });
            /// ```
            on_error,

            /// ```
            /// use cancelable::prelude::*;
            /// use std::time::Duration;
            ///
            /// # smol::block_on(async {
            /// let future = scope(timeout(Duration::from_millis(1)), async |operation: Operation| {
            ///     operation.cancelled().await;
            ///     "saved"
            /// });
            /// assert_eq!(future.grace(Duration::from_secs(60)).await, Ok("saved"));
            /// # });
            /// ```
            grace,

            /// ```
            /// use cancelable::prelude::*;
            /// use std::time::Duration;
            ///
            /// # smol::block_on(async {
            /// let future = scope(never(), async |operation: Operation| {
            ///     operation.report_progress(Progress::steps(1, 2));
            ///     std::future::pending::<()>().await
            /// });
            /// let stalled = future.stalled_after(Duration::from_millis(5)).await.unwrap_err();
            /// assert_eq!(stalled.to_string(), "timed out after 5ms (no progress)");
            /// # });
            /// ```
            stalled_after,

            /// ```
            /// use cancelable::prelude::*;
            /// use std::sync::mpsc::channel;
            ///
            /// # smol::block_on(async {
            /// let (sender, events) = channel();
            /// let closed = sender.clone();
            /// let crawl = async {
            ///     let operation = Operation::current().unwrap();
            ///     let page = async move {
            ///         smol::future::yield_now().await;
            ///         sender.send("page").unwrap();
            ///     };
            ///     smol::spawn(page.cancelable(never()).child_of(&operation)).detach();
            /// };
            /// let crawl = crawl.cancelable(never()).named("crawl").finally(|_| async move {
            ///     closed.send("closed").unwrap();
            /// });
            /// crawl.joins_children().await?;
            /// assert_eq!(events.iter().collect::<Vec<_>>(), ["page", "closed"]);
            /// # Ok::<(), Cancelled>(()) }).unwrap();
            /// ```
            joins_children,

            /// ```
            /// use cancelable::prelude::*;
            ///
            /// # smol::block_on(async {
            /// let crawl = async {
            ///     let operation = Operation::current().unwrap();
            ///     let page = std::future::pending::<()>().cancelable(never()).child_of(&operation);
            ///     smol::spawn(page)
            /// };
            /// let page = crawl.cancelable(never()).named("crawl").cancels_children().await?;
            /// assert!(page.await.unwrap_err().is_parent());
            /// # Ok::<(), Cancelled>(()) }).unwrap();
            /// ```
            cancels_children,

            /// ```
            /// use cancelable::prelude::*;
            /// use std::cell::Cell;
            ///
            /// # smol::block_on(async {
            /// let closed = Cell::new(false);
            /// let token = CancellationToken::new();
            /// token.cancel();
            /// let operation = async { 7 }.cancelable(&token).finally(|outcome| {
            ///     assert!(outcome.is_err());
            ///     async { closed.set(true) }
            /// });
            /// assert!(operation.await.is_err());
            /// assert!(closed.get());
            /// # });
            /// ```
            finally,

            /// ```
            /// use cancelable::prelude::*;
            /// use std::future::pending;
            /// use std::time::Duration;
            ///
            /// # smol::block_on(async {
            /// let limit = Duration::from_millis(1);
            /// let operation = async { 7 }.cancelable(never()).finally_for(limit, |_| pending());
            /// assert_eq!(operation.await, Ok(7));
            /// # });
            /// ```
            finally_for,

            /// ```
            /// use cancelable::prelude::*;
            /// use std::sync::mpsc::channel;
            ///
            /// # smol::block_on(async {
            /// let (sender, receiver) = channel();
            /// let mut operation = Box::pin(
            ///     std::future::pending::<()>().cancelable(never()).finally_or_spawn(
            ///         |task| smol::spawn(task).detach(),
            ///         move |_| async move { sender.send("closed").unwrap() },
            ///     ),
            /// );
            /// assert!(futures::poll!(operation.as_mut()).is_pending());
            /// drop(operation);
            /// assert_eq!(receiver.recv(), Ok("closed"));
            /// # });
            /// ```
            finally_or_spawn,

            /// ```
            /// use cancelable::prelude::*;
            /// use std::sync::mpsc::channel;
            ///
            /// # smol::block_on(async {
            /// let (sender, receiver) = channel();
            /// let mut future = Box::pin(
            ///     std::future::pending::<()>()
            ///         .cancelable(never())
            ///         .finally(|_| async {})
            ///         .on_clean_up_lost(move |operation| sender.send(operation.id()).unwrap()),
            /// );
            /// assert!(futures::poll!(future.as_mut()).is_pending());
            /// drop(future);
            /// assert!(receiver.recv().is_ok());
            /// # });
            /// ```
            on_clean_up_lost,
        }

        /// Makes the race return the error, not the value, if the work returns a value after the cancellation.
        ///
        /// Without this method, a finished value is never thrown away. If the source fires and the work still returns a
        /// value, in its last poll, in its grace period or while a shield keeps the work alive, that value is the outcome.
        /// Use this method if a late value is useless, such as an answer that comes after the deadline of its request.
        ///
        /// * The value is replaced if, by the time the work returns, the source has fired or the operation has been
        ///   cancelled in another way. The source is polled once more at that point, because the poll in which the work
        ///   returned may have taken a long time.
        /// * The error carries the reason for the cancellation, and [`was_forced`](Cancelled::was_forced) returns
        ///   `false`. The value is dropped, and the operation ends as [`Cancelled`](crate::Status::Cancelled).
        /// * The work still gets its last poll and its [grace period](Self::grace), and shields still finish. So the work
        ///   can wind down, but not succeed.
        /// * In a [`TryCancelable`], and in a function with the attribute `#[cancelable]`, an `Err` that the work returns is
        ///   not replaced. In a [`Cancelable`], any value counts as a success, even an `Err`.
        /// * Clean-up runs afterwards, and sees the error. A cancellation during clean-up, or while the operation
        ///   [waits for its children](Self::joins_children), comes too late to replace the value.
        ///
        /// Streams do not have this method. A stream hands out each item as soon as it comes, and then the error after the
        /// last item.
        ///
        /// ```
        /// use cancelable::prelude::*;
        ///
        /// # smol::block_on(async {
        /// let token = CancellationToken::new();
        /// let work = async {
        ///     token.cancel_with("too late");
        ///     7
        /// };
        /// let cancelled = work.cancelable(&token).strict().await.unwrap_err();
        /// assert_eq!(cancelled.to_string(), "cancelled: too late");
        /// # });
        /// ```
        pub fn strict(mut self) -> Self {
            self.run_state().set_strict();
            self
        }
    };
}

#[allow(clippy::type_complexity, reason = "`finally_or_spawn` names the types of its parts")]
impl<F: Future, S, E: Ending<F::Output>> Cancelable<F, S, E> {
    methods_of_futures! {
        output: F::Output,
        finally: Cancelable<F, S, Finally<F::Output, E, C, Fut>>,
        finally_or_spawn: Cancelable<F, S, FinallyOrSpawn<F::Output, E, C, Fut, P>>,
        joins: Cancelable<F, S, JoinsChildren<F::Output, E>>,
    }
}

#[allow(clippy::type_complexity, reason = "`finally_or_spawn` names the types of its parts")]
impl<F, S, E, T, X> TryCancelable<F, S, E>
where
    F: Future<Output = Result<T, X>>,
    E: Ending<Result<T, X>>,
    X: From<Cancelled> + Display,
{
    methods_of_futures! {
        output: F::Output,
        finally: TryCancelable<F, S, Finally<F::Output, E, C, Fut>>,
        finally_or_spawn: TryCancelable<F, S, FinallyOrSpawn<F::Output, E, C, Fut, P>>,
        joins: TryCancelable<F, S, JoinsChildren<F::Output, E>>,
    }
}
