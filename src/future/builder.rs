//! The methods by which a run is observed and cleaned up after.

use std::fmt::Display;
#[cfg(feature = "time")]
use std::time::Duration;

use super::ending::error_of_result;
use super::extra::Extra;
use super::{Cancelable, Ending, Finally, FinallyOrSpawn, Phase, Spawner, TryCancelable};
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::{Cancelled, Operation, Progress, Reason, Text};

impl<F, S, E> Cancelable<F, S, E> {
    fn extra(&mut self) -> &mut Extra {
        self.extra.get_mut().get_or_insert_default()
    }

    fn map_race<N>(
        self,
        map: impl FnOnce(Cancelable<F, S, E>) -> Cancelable<F, S, N>,
    ) -> Cancelable<F, S, N> {
        map(self)
    }

    fn race(&self) -> &Self {
        self
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Stopped)
    }

    /// Whether the work has been polled, and is there.
    fn has_begun(&self) -> bool {
        matches!(self.phase, Phase::Racing | Phase::Kept)
    }

    fn handle(&self) -> Operation {
        self.extra.handle(self.has_begun(), self.is_over())
    }

    pub(super) fn observed_as(mut self, operation: Operation) -> Self {
        self.extra().observe_as(operation);
        self
    }

    /// Tells the operation something; from here on it is one.
    pub(super) fn tell(mut self, tell: impl FnOnce(&mut Operation)) -> Self {
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
    fn and_then<N>(mut self, ending: impl FnOnce(E) -> N) -> Cancelable<F, S, N> {
        self.extra().make_operation();
        let Cancelable { work, source, ending: earlier, phase, extra } = self;
        Cancelable { work, source, ending: ending(earlier), phase, extra }
    }
}

impl<F, S, E, T, X> TryCancelable<F, S, E>
where
    F: Future<Output = Result<T, X>>,
    E: Ending<Result<T, X>>,
    X: From<Cancelled> + Display,
{
    pub(crate) fn map_race<N>(
        self,
        map: impl FnOnce(Cancelable<F, S, E>) -> Cancelable<F, S, N>,
    ) -> TryCancelable<F, S, N> {
        self.race.ending.set_error_of(error_of_result);
        TryCancelable { race: map(self.race) }
    }

    /// The race, which is about to be observed.
    fn race(&self) -> &Cancelable<F, S, E> {
        self.race.ending.set_error_of(error_of_result);
        &self.race
    }
}

/// Writes the methods for a run, and for a run that may fail, which hands them on.
macro_rules! builders {
    ($Run:ident, [$($generics:tt)*], $Output:ty, [$($bounds:tt)*]) => {
        impl<F: Future<Output = $Output>, S, E: Ending<$Output>, $($generics)*> $Run<F, S, E>
        where
            $($bounds)*
        {
            /// The handle of the operation, before the first poll or after.
            ///
            /// Best asked for before the first poll. Of a run of which nothing had been asked by then, a
            /// cancellation by this handle is seen at the next poll, and nothing is known once it is over. Of one
            /// that is an operation, and of which nobody has a handle by the time that it completes, the end is
            /// noted when somebody asks.
            ///
            /// ```
            /// use cancelable::prelude::*;
            ///
            /// # smol::block_on(async {
            /// let run = async { 7 }.cancelable(never());
            /// let operation = run.operation();
            /// assert_eq!(run.await, Ok(7));
            /// assert_eq!(operation.status(), Status::Completed);
            /// # });
            /// ```
            pub fn operation(&self) -> Operation {
                self.race().handle()
            }

            /// Names it: for logs, snapshots, and the reasons of operations below. An empty name is
            /// none.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// let run = async {}.cancelable(never()).named("fetch");
            /// assert_eq!(run.operation().name().as_deref(), Some("fetch"));
            /// ```
            pub fn named(self, name: impl Into<Text>) -> Self {
                let name = name.into();
                self.map_race(|race| race.tell(|operation| operation.set_name(name)))
            }

            /// Attaches something to it, in place of what had the same key.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// let run = async {}.cancelable(never()).metadata("url", "/a");
            /// assert_eq!(run.operation().metadata()["url"], "/a");
            /// ```
            pub fn metadata(self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
                let (key, value) = (key.into(), value.into());
                self.map_race(|race| race.tell(|operation| operation.set_metadata(key, value)))
            }

            /// Enters it below `parent`, instead of below the operation in which it is first
            /// polled. The first parent stays.
            ///
            /// ```
            /// use cancelable::prelude::*;
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
            pub fn child_of(self, parent: &Operation) -> Self {
                self.map_race(|race| race.tell(|operation| operation.enter_below(parent)))
            }

            /// Calls `hook` at the first poll, before the source and the work are looked at.
            ///
            /// Hooks of one kind run in the order in which they were given. One that panics harms
            /// neither the others nor the operation.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # smol::block_on(async {
            /// let run = async { 7 }.cancelable(never()).on_start(|operation| {
            ///     operation.cancel();
            /// });
            /// assert!(run.await.is_err());
            /// # });
            /// ```
            pub fn on_start(self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
                self.map_race(|race| race.tell(|operation| operation.on_start(Box::new(hook))))
            }

            /// Calls `hook` at each report of progress, on the thread that reports.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # smol::block_on(async {
            /// let run = scope(never(), async |operation: Operation| {
            ///     operation.report_progress(Progress::steps(1, 2));
            /// });
            /// run.on_progress(|_, progress| assert_eq!(progress.fraction(), Some(0.5))).await?;
            /// # Ok::<(), Cancelled>(()) }).unwrap();
            /// ```
            pub fn on_progress(
                self,
                hook: impl Fn(&Operation, &Progress) + Send + Sync + 'static,
            ) -> Self {
                self.map_race(|race| race.tell(|operation| operation.on_progress(hook)))
            }

            /// Calls `hook` when the work has returned a value. Of the three kinds of ending,
            /// exactly one calls its hooks, once the work is gone and clean-up has run.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # smol::block_on(async {
            /// let run = async { 7 }.cancelable(never()).on_complete(|operation| {
            ///     assert_eq!(operation.status(), Status::Completed);
            /// });
            /// assert_eq!(run.await, Ok(7));
            /// # });
            /// ```
            pub fn on_complete(self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
                self.map_race(|race| race.tell(|operation| operation.on_complete(hook)))
            }

            /// Calls `hook` when it was cancelled.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// # smol::block_on(async {
            /// let token = CancellationToken::new();
            /// token.cancel_with("stop");
            /// let run = async { 7 }.cancelable(&token).on_cancel(|_, reason| {
            ///     assert_eq!(reason, &Reason::manual("stop"));
            /// });
            /// assert!(run.await.is_err());
            /// # });
            /// ```
            pub fn on_cancel(
                self,
                hook: impl FnOnce(&Operation, &Reason) + Send + 'static,
            ) -> Self {
                self.map_race(|race| race.tell(|operation| operation.on_cancel(hook)))
            }

            /// Calls `hook` when it has failed: when work that may fail returned an error, or when
            /// the work panicked.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::io;
            /// # smol::block_on(async {
            /// let run = async { Err::<(), _>(io::Error::other("no disk")) }
            ///     .try_cancelable(never())
            ///     .on_error(|_, error| assert_eq!(error.to_string(), "no disk"));
            /// assert!(run.await.is_err());
            /// # });
            /// ```
            pub fn on_error(
                self,
                hook: impl FnOnce(&Operation, &dyn Display) + Send + 'static,
            ) -> Self {
                self.map_race(|race| race.tell(|operation| operation.on_error(hook)))
            }

            /// Lets the work go on for so long once it is asked to stop, so that it can end by
            /// itself.
            ///
            /// When the source fires the operation is [cancelled](Operation::cancelled), and the
            /// work goes on. If it returns a value in time, that is the outcome; the reason stays
            /// readable at the handle. Otherwise it is dropped, and
            /// [`was_forced`](Cancelled::was_forced) says so. A source that has fired by the first
            /// poll leaves no grace: the work never starts. With no grace the work is dropped at
            /// once.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::time::Duration;
            ///
            /// # smol::block_on(async {
            /// let run = scope(timeout(Duration::from_millis(1)), async |operation: Operation| {
            ///     operation.cancelled().await;
            ///     "saved"
            /// });
            /// assert_eq!(run.grace(Duration::from_secs(60)).await, Ok("saved"));
            /// # });
            /// ```
            #[cfg(feature = "time")]
            pub fn grace(self, limit: Duration) -> Self {
                self.map_race(|mut race| {
                    race.extra().set_grace(Countdown::lasting(limit));
                    race
                })
            }

            /// Runs `clean_up` once the work is gone, and before the outcome is told: on every
            /// ending, a panic included, which then goes on.
            ///
            /// It runs as part of this future, and may await. It is shielded from everything around
            /// it. Several run one after another, in the order in which they were given. A run that
            /// was never polled cleans up nothing.
            ///
            /// Should this future itself be dropped in the middle of it all, clean-up that has not
            /// finished is lost; [`on_clean_up_lost`](Self::on_clean_up_lost) tells. See
            /// [`finally_or_spawn`](Self::finally_or_spawn) for what must run even then.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::cell::Cell;
            ///
            /// # smol::block_on(async {
            /// let closed = Cell::new(false);
            /// let token = CancellationToken::new();
            /// token.cancel();
            /// let run = async { 7 }.cancelable(&token).finally(|outcome| {
            ///     assert!(outcome.is_err());
            ///     async { closed.set(true) }
            /// });
            /// assert!(run.await.is_err());
            /// assert!(closed.get());
            /// # });
            /// ```
            pub fn finally<C, Fut>(self, clean_up: C) -> $Run<F, S, Finally<F::Output, E, C, Fut>>
            where
                C: FnOnce(&Result<F::Output, Cancelled>) -> Fut,
                Fut: Future<Output = ()>,
            {
                self.map_race(|mut race| {
                    race.extra().owe_clean_up();
                    race.and_then(|earlier| Finally::new(earlier, clean_up))
                })
            }

            /// The same, for so long at most: then the clean-up is dropped where it stands.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::future::pending;
            /// use std::time::Duration;
            ///
            /// # smol::block_on(async {
            /// let limit = Duration::from_millis(1);
            /// let run = async { 7 }.cancelable(never()).finally_for(limit, |_| pending());
            /// assert_eq!(run.await, Ok(7));
            /// # });
            /// ```
            #[cfg(feature = "time")]
            pub fn finally_for<C, Fut>(
                self,
                limit: Duration,
                clean_up: C,
            ) -> $Run<F, S, Finally<F::Output, E, C, Fut>>
            where
                C: FnOnce(&Result<F::Output, Cancelled>) -> Fut,
                Fut: Future<Output = ()>,
            {
                let limit = Countdown::lasting(limit);
                self.map_race(|mut race| {
                    race.extra().owe_clean_up();
                    race.and_then(|earlier| Finally::new(earlier, clean_up).within(limit))
                })
            }

            /// The same as [`finally`](Self::finally), for clean-up that must run even where this
            /// future is dropped: then what is left of it is handed to `spawn`, once.
            ///
            /// What is dropped before its first poll has nothing to clean up, and spawns nothing.
            /// Clean-up that had not begun is told of [`Reason::Dropped`].
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::sync::mpsc::channel;
            ///
            /// # smol::block_on(async {
            /// let (sender, receiver) = channel();
            /// let mut run = Box::pin(
            ///     std::future::pending::<()>().cancelable(never()).finally_or_spawn(
            ///         |task| smol::spawn(task).detach(),
            ///         move |_| async move { sender.send("closed").unwrap() },
            ///     ),
            /// );
            /// assert!(futures::poll!(run.as_mut()).is_pending());
            /// drop(run);
            /// assert_eq!(receiver.recv(), Ok("closed"));
            /// # });
            /// ```
            pub fn finally_or_spawn<P, C, Fut>(
                self,
                spawn: P,
                clean_up: C,
            ) -> $Run<F, S, FinallyOrSpawn<F::Output, E, C, Fut, P>>
            where
                P: Spawner,
                C: FnOnce(&Result<F::Output, Cancelled>) -> Fut,
                Fut: Future<Output = ()> + Send + 'static,
            {
                self.map_race(|race| {
                    let begun = race.has_begun() || race.phase == Phase::Ending;
                    race.and_then(|earlier| {
                        FinallyOrSpawn::new(earlier, clean_up, spawn).started(begun)
                    })
                })
            }

            /// Calls `hook` where clean-up of [`finally`](Self::finally) is lost, because this
            /// future was dropped before it had finished.
            ///
            /// ```
            /// use cancelable::prelude::*;
            /// use std::sync::mpsc::channel;
            ///
            /// # smol::block_on(async {
            /// let (sender, receiver) = channel();
            /// let mut run = Box::pin(
            ///     std::future::pending::<()>()
            ///         .cancelable(never())
            ///         .finally(|_| async {})
            ///         .on_clean_up_lost(move |operation| sender.send(operation.id()).unwrap()),
            /// );
            /// assert!(futures::poll!(run.as_mut()).is_pending());
            /// drop(run);
            /// assert!(receiver.recv().is_ok());
            /// # });
            /// ```
            pub fn on_clean_up_lost(
                self,
                hook: impl FnOnce(&Operation) + Send + 'static,
            ) -> Self {
                self.map_race(|mut race| {
                    race.extra().on_clean_up_lost(Box::new(hook));
                    race
                })
            }
        }
    };
}

builders!(Cancelable, [T], T, [T: Sized]);
builders!(TryCancelable, [T, X], Result<T, X>, [X: From<Cancelled> + Display]);
