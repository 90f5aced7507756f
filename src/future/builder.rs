//! The builder methods of `Cancelable`, `TryCancelable` and `CancelableStream`: name, hooks, grace
//! period, clean-up.
//!
//! The macro `builder_methods` writes them, with their documentation, into an `impl` block of each of
//! the three types. It uses four private methods of the type: `run_state`, `handle`, `is_running` and
//! `map_ending`.

use std::fmt::Display;
#[cfg(feature = "time")]
use std::time::Duration;

use super::ending::error_of_result;
use super::run::RunState;
use super::{Cancelable, Ending, Finally, FinallyOrSpawn, JoinsChildren, Phase, TryCancelable};
use crate::error::Cancelled;
use crate::operation::{Operation, Progress};
use crate::reason::Reason;
use crate::spawner::Spawner;
use crate::text::Text;
#[cfg(feature = "time")]
use crate::timer::{Countdown, SectionLimit};

/// Writes the builder methods.
///
/// * `finally`, `finally_or_spawn` and `joins`: the types that these methods return; `joins` is for `joins_children`
///   and `cancels_children`. They may use the type parameters of the methods.
/// * For each method: documentation that is specific to the type, and an example.
macro_rules! builder_methods {
    (
        output: $Output:ty,
        finally: $Finally:ty,
        finally_or_spawn: $FinallyOrSpawn:ty,
        joins: $Joins:ty,
        $(#[$operation:meta])* operation,
        $(#[$named:meta])* named,
        $(#[$metadata:meta])* metadata,
        $(#[$child_of:meta])* child_of,
        $(#[$on_start:meta])* on_start,
        $(#[$on_progress:meta])* on_progress,
        $(#[$on_complete:meta])* on_complete,
        $(#[$on_cancel:meta])* on_cancel,
        $(#[$on_error:meta])* on_error,
        $(#[$grace:meta])* grace,
        $(#[$stalled_after:meta])* stalled_after,
        $(#[$joins_children:meta])* joins_children,
        $(#[$cancels_children:meta])* cancels_children,
        $(#[$finally:meta])* finally,
        $(#[$finally_for:meta])* finally_for,
        $(#[$finally_or_spawn:meta])* finally_or_spawn,
        $(#[$on_clean_up_lost:meta])* on_clean_up_lost,
    ) => {
        /// Returns a handle of the operation, before the first poll or after it.
        ///
        /// Call this before the first poll. If no builder method was called by then, the race is not an
        /// operation yet. A cancellation through a handle that you take later takes effect at the next
        /// poll, and a handle that you take after the end does not know the outcome.
        ///
        $(#[$operation])*
        pub fn operation(&self) -> Operation {
            self.handle()
        }

        /// Names the operation, for logs, snapshots and the reasons of its children. An empty name means
        /// no name.
        ///
        $(#[$named])*
        pub fn named(mut self, name: impl Into<Text>) -> Self {
            self.run_state().make_operation().set_name(name.into());
            self
        }

        /// Sets a metadata entry, replacing any earlier value for the key.
        ///
        $(#[$metadata])*
        pub fn metadata(mut self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
            self.run_state().make_operation().set_metadata(key.into(), value.into());
            self
        }

        /// Makes the operation a child of `parent`, instead of the operation that is current at the
        /// first poll. If this is called more than once, the first parent stays.
        ///
        $(#[$child_of])*
        pub fn child_of(mut self, parent: &Operation) -> Self {
            self.run_state().make_operation().enter_below(parent);
            self
        }

        /// Calls `hook` at the first poll, before the source and the work are polled.
        ///
        /// Hooks of one kind run in the order in which they were added. A panic in a hook affects
        /// neither the other hooks nor the operation.
        ///
        $(#[$on_start])*
        pub fn on_start(mut self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
            self.run_state().make_operation().on_start(Box::new(hook));
            self
        }

        /// Calls `hook` at each progress report, on the thread that reports.
        ///
        $(#[$on_progress])*
        pub fn on_progress(
            mut self,
            hook: impl Fn(&Operation, &Progress) + Send + Sync + 'static,
        ) -> Self {
            self.run_state().make_operation().on_progress(hook);
            self
        }

        /// Calls `hook` when the operation has completed.
        ///
        /// An operation completes, fails or is cancelled, and calls only the hooks of that ending. It
        /// calls them after the work has been dropped and clean-up has run.
        ///
        $(#[$on_complete])*
        pub fn on_complete(mut self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
            self.run_state().make_operation().on_complete(hook);
            self
        }

        /// Calls `hook` when the operation was cancelled.
        ///
        $(#[$on_cancel])*
        pub fn on_cancel(
            mut self,
            hook: impl FnOnce(&Operation, &Reason) + Send + 'static,
        ) -> Self {
            self.run_state().make_operation().on_cancel(hook);
            self
        }

        /// Calls `hook` when the operation has failed.
        ///
        $(#[$on_error])*
        pub fn on_error(
            mut self,
            hook: impl FnOnce(&Operation, &dyn Display) + Send + 'static,
        ) -> Self {
            self.run_state().make_operation().on_error(hook);
            self
        }

        /// Lets the work continue for up to `limit` after a cancellation, so that it can end by
        /// itself.
        ///
        /// When the source fires, the operation is [cancelled](Operation::cancelled) and the work
        /// continues. If the work ends in time, its outcome stands, and the handle still reports the
        /// reason. Otherwise it is dropped, and [`was_forced`](Cancelled::was_forced) returns `true`.
        ///
        /// The clock starts at the first poll after the cancellation. There is no grace period if the
        /// source has fired by the very first poll, because the work never starts then. Without this
        /// method, a cancellation drops the work at once.
        ///
        $(#[$grace])*
        #[cfg(feature = "time")]
        pub fn grace(mut self, limit: Duration) -> Self {
            self.run_state().set_grace(Countdown::lasting(limit));
            self
        }

        /// Cancels the operation if it reports no progress for `limit`. The source may have other limits.
        ///
        /// Use it for work that may take long while it makes progress. The clock starts at the first poll,
        /// and starts anew at each [report](Operation::report_progress) of this operation. Reports of its
        /// children do not count. The reason is a [`Reason::Timeout`] with the name
        /// `no progress`. A limit that overflows the clock never passes. If this is called more than once,
        /// the last limit counts.
        ///
        /// It is built on [`Limit`](crate::Limit), and does not count as a
        /// [deadline](Operation::deadline).
        ///
        $(#[$stalled_after])*
        #[cfg(feature = "time")]
        pub fn stalled_after(mut self, limit: Duration) -> Self {
            self.run_state().set_stall(limit);
            self
        }

        /// Waits for the [children](Operation::children) once the work is gone: clean-up runs, and the outcome is
        /// returned, after everything below the operation has ended, in whatever task.
        ///
        /// Use it for children in other tasks that use what the clean-up closes. It waits however the work ended. By
        /// default, an operation that completes or fails leaves its children alone, and one that is cancelled cancels
        /// them and does not wait.
        ///
        /// The source, the parent and handles can cancel the operation during the wait. That cancels the children, and
        /// the outcome stays. After a cancellation, the wait ends with the [grace period](Self::grace), if there is
        /// one, or when the operation is [forced](Operation::force). Races around the operation wait
        /// with it. If the operation is dropped, nothing waits for the children.
        ///
        /// If the children need code to continue that awaits this operation, such as a part of a `join!` that is
        /// polled afterwards, they wait for each other.
        ///
        $(#[$joins_children])*
        pub fn joins_children(mut self) -> $Joins {
            self.run_state().make_operation();
            self.map_ending(JoinsChildren::new)
        }

        /// Like [`joins_children`](Self::joins_children), but cancels the children first, for the reason
        /// [`Parent`](Reason::Parent).
        ///
        /// Use it if the children are of no use without the work. The operation itself is not cancelled by that, and
        /// its outcome stays. Operations that become children later are cancelled too. Children in a shield of the
        /// operation are not cancelled.
        ///
        $(#[$cancels_children])*
        pub fn cancels_children(mut self) -> $Joins {
            self.run_state().cancel_children();
            self.map_ending(JoinsChildren::new)
        }

        /// Runs `clean_up` after the work has been dropped and before the outcome is returned.
        ///
        /// It runs however the work ended. If the work panicked, the panic continues after the clean-up.
        /// The clean-up is polled as part of the operation and may await. Every race around the operation
        /// waits for it. Several clean-ups run one after another, in the order in which they were added.
        /// If the operation is never polled, no clean-up runs.
        ///
        /// If the operation is dropped before the clean-up has finished, the clean-up is lost.
        /// [`on_clean_up_lost`](Self::on_clean_up_lost) reports that;
        /// [`finally_or_spawn`](Self::finally_or_spawn) is for clean-up that must run even then.
        ///
        $(#[$finally])*
        pub fn finally<C, Fut>(mut self, clean_up: C) -> $Finally
        where
            C: FnOnce(&Result<$Output, Cancelled>) -> Fut,
            Fut: Future<Output = ()>,
        {
            self.run_state().owe_clean_up();
            self.map_ending(|earlier| Finally::new(earlier, clean_up))
        }

        /// Like [`finally`](Self::finally), but drops the clean-up if it takes longer than `limit`.
        ///
        $(#[$finally_for])*
        #[cfg(feature = "time")]
        pub fn finally_for<C, Fut>(mut self, limit: Duration, clean_up: C) -> $Finally
        where
            C: FnOnce(&Result<$Output, Cancelled>) -> Fut,
            Fut: Future<Output = ()>,
        {
            let limit = SectionLimit::lasting(limit);
            self.run_state().owe_clean_up();
            self.map_ending(|earlier| Finally::new(earlier, clean_up).within(limit))
        }

        /// Like [`finally`](Self::finally), but hands unfinished clean-up to `spawn` if the operation
        /// is dropped.
        ///
        /// If the clean-up had not begun by then, its outcome is [`Reason::Dropped`]. If the operation is
        /// dropped before its first poll, there is nothing to clean up, and `spawn` is not called.
        ///
        $(#[$finally_or_spawn])*
        pub fn finally_or_spawn<P, C, Fut>(mut self, spawn: P, clean_up: C) -> $FinallyOrSpawn
        where
            P: Spawner,
            C: FnOnce(&Result<$Output, Cancelled>) -> Fut,
            Fut: Future<Output = ()> + Send + 'static,
        {
            self.run_state().make_operation();
            let running = self.is_running();
            self.map_ending(|earlier| {
                FinallyOrSpawn::new(earlier, clean_up, spawn).started(running)
            })
        }

        /// Calls `hook` if the operation is dropped before the clean-up of [`finally`](Self::finally) has
        /// finished.
        ///
        $(#[$on_clean_up_lost])*
        pub fn on_clean_up_lost(mut self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
            self.run_state().on_clean_up_lost(Box::new(hook));
            self
        }

        /// Passes the operation to `show`, which may [watch](Operation::watch) it, unless it has ended.
        pub(crate) fn show(mut self, show: impl FnOnce(&Operation)) -> Self {
            if !self.is_over() {
                // If the work has been polled already, taking a handle starts the operation.
                self.handle();
                self.run_state().show(show);
            }
            self
        }
    };
}
pub(crate) use builder_methods;

impl<F, S, E> Cancelable<F, S, E> {
    pub(super) fn run_state(&mut self) -> &mut RunState {
        self.state.get_mut().get_or_insert_default()
    }

    fn handle(&self) -> Operation {
        let polled = matches!(self.phase, Phase::Racing | Phase::Kept);
        self.state.handle(polled)
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Racing | Phase::Kept | Phase::Ending)
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Stopped)
    }

    fn map_ending<N>(self, map: impl FnOnce(E) -> N) -> Cancelable<F, S, N> {
        let Cancelable { work, source, ending, phase, state } = self;
        Cancelable { work, source, ending: map(ending), phase, state }
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

/// The examples of `Cancelable` serve for `TryCancelable` too.
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

            /// It has failed if the work panicked, or if fallible work returned an error.
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

        /// Turns a value that comes after the cancellation into the error.
        ///
        /// Without this method, a finished value is never thrown away: if the source fires and the work returns in its
        /// last poll, in its grace period or beside a shield, the value is the outcome. Use this method if a late value is
        /// of no use, such as an answer after the deadline of its request.
        ///
        /// * The value is replaced if the source has fired, or the operation is cancelled otherwise, by the time the work
        ///   returns. The source gets one more look then, because that poll of the work may have taken long.
        /// * The error has the reason of the cancellation, and [`was_forced`](Cancelled::was_forced) returns `false`. The
        ///   value is dropped, and the operation ends as [`Cancelled`](crate::Status::Cancelled).
        /// * The work still gets its last poll and its [grace period](Self::grace), and shields still finish. So the work
        ///   can wind down, but not succeed.
        /// * An `Err` of fallible work stays what it is, in a [`TryCancelable`] and in a function with the attribute. A
        ///   [`Cancelable`] takes any value for a success, also a `Result`.
        /// * Clean-up runs afterwards, and sees the error. A cancellation during clean-up, or while the operation
        ///   [waits for its children](Self::joins_children), comes too late to replace the value.
        ///
        /// Streams do not have this method: an item is handed out as soon as it comes, and after the last one the consumer
        /// sees the error.
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
