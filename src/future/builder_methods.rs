//! The builder methods that `Cancelable`, `TryCancelable` and `CancelableStream` share: name, hooks,
//! grace period, clean-up.
//!
//! The macro `builder_methods` generates them, with their documentation, in an `impl` block of each of the three types. It
//! uses five private methods of the type: `run_state`, `handle`, `is_running`, `is_over` and `map_ending`. Names in the
//! macro are resolved where the macro is used, so the files that use it need the same imports.

/// Generates the builder methods. The arguments of the macro are:
///
/// * `output`: the type of the value that the work returns.
/// * `finally`, `finally_or_spawn` and `joins`: the types that the methods return. `joins` is for `joins_children` and
///   `cancels_children`. The types may use the type parameters of the methods.
/// * For each method: documentation that applies only to the type with the `impl` block, and an example.
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
        $(#[$in_span:meta])* in_span,
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
        /// Returns a handle of the operation.
        ///
        /// Call this before the first poll. This method, like every other method that needs an operation, makes the race an
        /// operation. If the race becomes one only after its first poll, a cancellation through the handle takes effect at
        /// the next poll. If the race becomes one only after its end, the handle does not know the outcome.
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

        /// Makes the operation a child of `parent`, instead of a child of the operation that is current at the first poll.
        /// If this is called more than once, only the first call has an effect.
        ///
        $(#[$child_of])*
        pub fn child_of(mut self, parent: &Operation) -> Self {
            self.run_state().make_operation().enter_below(parent);
            self
        }

        /// Calls `make` at the first poll, to create the span of the operation. This span replaces the default one.
        ///
        /// Use it to choose the target, the level and the fields of the span, which `tracing` needs to know at compile time.
        /// When `make` is called, the span of the parent is the current span, so the new span becomes its child. The
        /// operation records a field of the default span only if the new span declares that field: see the guide. With
        /// `|_| Span::none()`, the operation has no span. If this is called more than once, only the last call has an effect.
        ///
        $(#[$in_span])*
        #[cfg(feature = "tracing")]
        pub fn in_span(
            mut self,
            make: impl FnOnce(&Operation) -> tracing::Span + Send + 'static,
        ) -> Self {
            self.run_state().set_span(make);
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
        /// An operation completes, fails or is cancelled, and only the hooks for that outcome are called, after the work
        /// has been dropped and clean-up has run.
        ///
        $(#[$on_complete])*
        pub fn on_complete(mut self, hook: impl FnOnce(&Operation) + Send + 'static) -> Self {
            self.run_state().make_operation().on_complete(hook);
            self
        }

        /// Calls `hook` when the operation has ended because it was cancelled.
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

        /// Lets the work continue for up to `limit` after a cancellation, so that it can finish by itself.
        ///
        /// When the source fires, the operation is [cancelled](Operation::cancelled) and the work continues. If the work
        /// ends in time, the race returns the outcome of the work, and the handle still reports the reason for the
        /// cancellation. Otherwise the work is dropped, and [`was_forced`](Cancelled::was_forced) returns `true`.
        ///
        /// The clock starts at the first poll after the cancellation. If the source has fired by the
        /// very first poll, the work never starts, so there is no grace period. Without this method, a
        /// cancellation drops the work at once.
        ///
        $(#[$grace])*
        #[cfg(feature = "time")]
        pub fn grace(mut self, limit: Duration) -> Self {
            self.run_state().set_grace(Countdown::lasting(limit));
            self
        }

        /// Cancels the operation if it reports no progress for `limit`. This limit is independent of the source.
        ///
        /// Use it for work that may take a long time but keeps making progress. The clock starts at the first poll, and
        /// restarts at each [report](Operation::report_progress) of this operation. Reports of its children do not restart
        /// the clock. The reason is a [`Reason::Timeout`] with the name `no progress`. A limit that ends later than an
        /// `Instant` can express never passes. If this is called more than once, the last limit applies.
        ///
        /// This limit is built on [`Limit`](crate::Limit), and does not count as a
        /// [deadline](Operation::deadline).
        ///
        $(#[$stalled_after])*
        #[cfg(feature = "time")]
        pub fn stalled_after(mut self, limit: Duration) -> Self {
            self.run_state().set_stall(limit);
            self
        }

        /// Makes the operation wait for its [children](Operation::children) once the work is gone. Clean-up begins, and the
        /// outcome is returned, only after every operation below this one has ended, whichever task runs it.
        ///
        /// Use it if children in other tasks need something that the clean-up closes. The operation waits no matter how the
        /// work ended. Without this method, an operation that completes or fails leaves its children alone, and an operation
        /// that is cancelled cancels its children and does not wait for them.
        ///
        /// The source, the parent and handles can cancel the operation during the wait. Such a cancellation cancels the
        /// children too, but does not change the outcome. After such a cancellation, the wait ends at the latest when the
        /// [grace period](Self::grace) is over, if there is one, or when the operation is [forced](Operation::force). Races
        /// around the operation wait for the children too. If the operation is dropped, nothing waits for them.
        ///
        /// This can deadlock: if the children cannot end until the code that awaits this operation continues, the operation
        /// and its children wait for each other. For example, that code may be about to send the message that a child waits
        /// for.
        ///
        $(#[$joins_children])*
        pub fn joins_children(mut self) -> $Joins {
            self.run_state().make_operation();
            self.map_ending(JoinsChildren::new)
        }

        /// Like [`joins_children`](Self::joins_children), but cancels the children first, for the reason
        /// [`Parent`](Reason::Parent).
        ///
        /// Use it if the children are useless without the work. This does not cancel the operation itself or change its
        /// outcome. Operations that become children later are cancelled too. A child that was started inside a shield of the
        /// operation is not cancelled.
        ///
        $(#[$cancels_children])*
        pub fn cancels_children(mut self) -> $Joins {
            self.run_state().cancel_children();
            self.map_ending(JoinsChildren::new)
        }

        /// Runs `clean_up` after the work has been dropped and before the outcome is returned.
        ///
        /// The clean-up runs no matter how the work ended, and may await. If the work panicked, the panic continues after
        /// the clean-up. The clean-up is polled as part of the operation, and every race around the operation waits for it.
        /// Several clean-ups run one after another, in the order in which they were added. If the operation is never polled,
        /// no clean-up runs.
        ///
        /// If the operation is dropped before the clean-up has finished, the clean-up is lost. To be notified of the loss,
        /// use [`on_clean_up_lost`](Self::on_clean_up_lost). If the clean-up must run even then, use
        /// [`finally_or_spawn`](Self::finally_or_spawn).
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
        /// If the clean-up has not begun when the operation is dropped, `clean_up` gets an error with the reason
        /// [`Reason::Dropped`]. If the operation is dropped before its first poll, there is nothing to clean up, and `spawn`
        /// is not called.
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

        /// Passes the operation to `show`, which may [watch](Operation::watch) it. Does nothing if the
        /// operation has ended.
        pub(crate) fn show(mut self, show: impl FnOnce(&Operation)) -> Self {
            if !self.is_over() {
                if self.is_running() {
                    // The work has been polled already, so taking a handle starts the operation.
                    self.handle();
                }
                self.run_state().show(show);
            }
            self
        }
    };
}
pub(crate) use builder_methods;
