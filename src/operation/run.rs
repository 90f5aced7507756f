//! The methods of an operation for the rest of the crate: for its race, its group, and the registry that watches it.

use std::fmt::Display;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Instant;

use super::Operation;
use super::activity::{Activity, ActivitySnapshot, Watcher};
use super::current::{Inside, PolledBy, is_protected_from};
#[cfg(feature = "time")]
use super::deadline::{Inherited, Overdue};
use super::ended::ChildrenEnded;
use super::hooks::{EndHook, Hook};
use super::inner::{EndRecord, Inner, Outcome};
use crate::clock;
use crate::error::Cancelled;
use crate::panic::contain;
use crate::poll_context::{Protection, Section};
use crate::reason::Reason;
use crate::source::{CancelObserver, CancellationToken, WaitForCancellationOwned};
use crate::text::Text;
#[cfg(feature = "time")]
use crate::wait::Latch;

/// What the race of an operation needs to know about the start.
pub(crate) struct Started {
    /// The time of the start.
    pub(crate) at: Instant,
    /// The token of the parent, if it is not known whether the operation is part of the parent's work.
    pub(crate) undecided_parent: Option<CancellationToken>,
    /// The deadline of the parent, if the parent is polled in another task.
    #[cfg(feature = "time")]
    pub(crate) inherited: Inherited,
}

/// For the race of the operation.
impl Operation {
    pub(crate) fn new() -> Self {
        Operation { inner: Arc::default() }
    }

    pub(crate) fn set_name(&mut self, name: Text) {
        Inner::set_name(&mut self.inner, Some(name).filter(|name| !name.is_empty()));
    }

    /// Makes the token if there is only one handle, because the operation is about to get another one. This takes no lock.
    pub(crate) fn make_token(&mut self) {
        Inner::make_token(&mut self.inner);
    }

    /// Makes the parts that a watcher needs if there is only one handle, because a registry is about to watch the operation.
    pub(crate) fn prepare_for_watchers(&mut self) {
        Inner::prepare_for_watchers(&mut self.inner);
    }

    /// Makes the operation a child of `parent`, unless it already has a parent or is an ancestor of `parent`.
    pub(crate) fn enter_below(&self, parent: &Operation) {
        Inner::enter_below(&self.inner, &parent.inner);
    }

    pub(crate) fn on_start(&self, hook: Hook) {
        self.inner.hooks.on_start(hook);
    }

    /// Starts the operation, as a child of the current operation if there is one. Called once, before
    /// [`run_start_hooks`](Self::run_start_hooks).
    ///
    /// `waker` is the waker of the poll in which the operation starts, if it starts in a poll.
    #[inline]
    pub(crate) fn start(&mut self, waker: Option<&Waker>) -> Started {
        let undecided_parent = Inner::enter_current(&self.inner, waker);
        let at = clock::now();
        let _inherited = Inner::start(&mut self.inner, at, waker);
        Started {
            at,
            undecided_parent,
            #[cfg(feature = "time")]
            inherited: _inherited,
        }
    }

    /// Runs the start hooks and notifies the watchers. Returns whether there were any hooks.
    #[inline]
    pub(crate) fn run_start_hooks(&self, watched: bool) -> bool {
        if watched {
            self.tell_started();
        }
        self.inner.hooks.run_start(self)
    }

    #[cold]
    fn tell_started(&self) {
        self.activity().into_iter().for_each(Activity::tell_started);
    }

    /// Makes this the current operation on this thread, and enters its span, until the guard is dropped.
    pub(crate) fn enter(&self, polled_by: PolledBy) -> Inside {
        Inside::of(self.clone(), polled_by)
    }

    /// Returns whether there is a token. If there is none, the operation is not cancelled.
    #[inline]
    pub(crate) fn has_token(&self) -> bool {
        self.inner.has_token()
    }

    /// Returns whether the operation is private: the race owns every handle, and there is no token. `handles` is the number
    /// of handles that the race owns. Only the race can cancel a private operation.
    #[inline]
    pub(crate) fn is_private(&self, handles: usize) -> bool {
        Inner::is_private(&self.inner, handles)
    }

    /// Returns whether only the race could see the operation end. `handles` has the same meaning as in
    /// [`is_private`](Self::is_private).
    #[inline]
    pub(crate) fn ends_unseen(&self, handles: usize) -> bool {
        self.is_private(handles) && self.inner.ends_unseen()
    }

    /// Returns whether the end of the operation has been recorded.
    pub(crate) fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }

    /// Returns the reason for the cancellation. The caller knows that the operation is cancelled.
    pub(crate) fn cause(&self) -> Reason {
        self.reason().unwrap_or(Reason::Dropped)
    }

    /// Returns the error for an operation that was cancelled. The error has the name of the operation. `forced` is true if the
    /// work did not end within its grace period.
    pub(crate) fn cancelled_for(&self, reason: Reason, forced: bool) -> Cancelled {
        let name = self.inner.details.lock().name.clone();
        Cancelled::of_operation(name, reason, forced)
    }

    /// Returns whether the calling code is in a shield or clean-up that protects it from the cancellation of this operation.
    pub(crate) fn is_protected_here(&self) -> bool {
        is_protected_from(&self.inner)
    }

    pub(crate) fn cancelled_owned(&self) -> WaitForCancellationOwned {
        self.inner.token().clone().cancelled_owned()
    }

    /// Begins to wait for the children. Called when the work is gone. If `cancels` is true, cancels the children first,
    /// unless the operation itself is cancelled.
    #[cold]
    pub(crate) fn join_children(&self, cancels: bool) -> ChildrenEnded {
        self.inner.release_undecided_children();
        if cancels && !self.is_cancelled() {
            let reason = Reason::manual("its work has ended");
            self.inner.dismiss_children(&Reason::parent_named(self.name_text(), reason));
        }
        self.children_ended()
    }

    /// Returns whether the operation is being polled inside its parent.
    pub(crate) fn is_inside_parent(&self) -> bool {
        self.inner.is_inside_parent()
    }

    /// Returns the reason of the parent, if the parent is cancelled and has not ended.
    pub(crate) fn reason_of_parent(&self) -> Option<Reason> {
        self.inner.reason_of_parent()
    }

    /// Cancels the operation with its parent, for `reason`. The parent's grace period applies to the operation too.
    pub(crate) fn cancel_with_undecided_parent(&self, reason: Reason) {
        self.inner.cancel_with_undecided_parent(reason);
    }

    /// Leaves the parent, because it turned out not to be part of the parent's work.
    pub(crate) fn leave_parent(&self) {
        self.inner.leave_parent();
    }

    /// Returns the reason for which the operation ends if its future is dropped.
    pub(crate) fn reason_if_dropped(&self) -> Reason {
        self.inner.reason_if_dropped()
    }

    /// Sets the limit of the operation's own source. The limit started at `since` and ends at `at`.
    pub(crate) fn set_limit(&self, since: Instant, at: Instant) {
        self.inner.set_limit(since, at);
    }

    /// Notes that the source has been polled, so the operation's own limit is known. `is_final` is false if the deadline of
    /// the parent is not known yet.
    #[cfg(feature = "time")]
    #[inline]
    pub(crate) fn note_deadline(&self, is_final: bool) {
        self.inner.note_deadline(is_final);
    }

    /// Returns the deadline, as far as it is known. If it may still become earlier, also returns a latch that is set when it may
    /// have changed.
    #[cfg(feature = "time")]
    pub(crate) fn await_deadline(&self) -> (Option<Instant>, Option<Arc<Latch<()>>>) {
        self.inner.await_deadline()
    }

    /// Takes over the deadline of the parent, as far as it is known, and returns it. If it may still become earlier, also returns
    /// a latch that is set when it may have changed. Returns neither if there is no parent whose deadline applies.
    #[cfg(feature = "time")]
    pub(crate) fn inherit_deadline(&self) -> (Option<Instant>, Option<Arc<Latch<()>>>) {
        self.inner.inherit_deadline()
    }

    /// Drops the limit of the operation's own source. If a time is given, drops the limit only if it has passed by that time.
    #[cfg(feature = "time")]
    pub(crate) fn drop_limit(&self, if_passed_by: Option<Instant>) {
        self.inner.drop_limit(if_passed_by);
    }

    /// Returns the end of the earliest limit of this operation and its ancestors. Ignores limits that have passed.
    #[cfg(feature = "time")]
    pub(crate) fn next_limit(&self) -> Option<Instant> {
        self.inner.next_limit()
    }

    /// Returns the end of the earliest limit of the ancestors. Ignores limits that have passed.
    #[cfg(feature = "time")]
    pub(crate) fn next_inherited_limit(&self) -> Option<Instant> {
        self.inner.next_inherited_limit()
    }

    /// Returns the deadline of the operation if it has passed and no poll has noticed that.
    #[cfg(feature = "time")]
    pub(crate) fn overdue(&self) -> Option<Overdue> {
        self.inner.overdue()
    }

    /// Cancels the operation if its deadline has passed. Returns whether this call cancelled it.
    ///
    /// An operation is not overdue if its race is over, or if its source waits for other sources too, as `all_of` does.
    #[cfg(feature = "time")]
    pub(crate) fn cancel_if_overdue(&self) -> bool {
        self.inner.overdue().is_some_and(|overdue| self.cancel_with(overdue.reason))
    }

    /// Ends the operation as completed, because the work returned a value.
    pub(crate) fn complete(&self) {
        self.complete_at(clock::now());
    }

    /// Like [`complete`](Self::complete), for work that returned at the time `at`.
    pub(crate) fn complete_at(&self, at: Instant) {
        self.end_at(at, Outcome::Completed, None, &"");
    }

    /// Ends the operation because the work returned an error. The status is cancelled if the operation was cancelled before,
    /// and failed otherwise.
    pub(crate) fn end_with_error(&self, error: &dyn Display) {
        self.end(Outcome::Err, Some(text_of(error)), error);
    }

    /// Ends the operation as failed, because the work panicked or a member of a group failed. The status is failed even if the
    /// operation was cancelled before.
    pub(crate) fn end_failed(&self, error: &dyn Display) {
        self.end(Outcome::Failed, Some(text_of(error)), error);
    }

    /// Ends the operation because it was cancelled. Changes nothing if it has already ended.
    pub(crate) fn end_cancelled(&self, reason: Reason) {
        if !self.inner.has_ended() {
            self.inner.token().cancel_with(reason);
            self.end(Outcome::Cancelled, None, &"");
        }
    }

    /// Ends the operation because its future was dropped before the end.
    pub(crate) fn end_dropped(&self) {
        if !self.inner.has_ended() {
            let _inside = self.enter(PolledBy::NOTHING);
            self.end_cancelled(self.inner.reason_if_dropped());
        }
    }

    /// Ends the operation because its future was dropped before its first poll. No hook runs, because the operation never
    /// started.
    pub(crate) fn end_unpolled(&self) {
        let _inside = self.enter(PolledBy::NOTHING);
        self.inner.token().cancel_with(self.inner.reason_if_dropped());
        let at = clock::now();
        let end = EndRecord { at, outcome: Outcome::Cancelled, error: None };
        if let Some((status, has_parent)) = self.inner.end(end) {
            self.inner.hooks.drop_all();
            self.leave(at);
            Inner::set_over(&self.inner, status, has_parent);
        }
    }

    /// Records the end, unless an end is recorded already, and runs its hooks.
    fn end(&self, outcome: Outcome, text: Option<Text>, error: &dyn Display) {
        self.end_at(clock::now(), outcome, text, error);
    }

    fn end_at(&self, at: Instant, outcome: Outcome, text: Option<Text>, error: &dyn Display) {
        if let Some((status, has_parent)) = self.inner.end(EndRecord { at, outcome, error: text }) {
            let had_hooks = self.inner.hooks.run_end(status, |hook| self.call_hook(hook, error));
            self.leave(if had_hooks { clock::now() } else { at });
            Inner::set_over(&self.inner, status, has_parent);
        }
    }

    pub(super) fn call_hook(&self, hook: EndHook, error: &dyn Display) {
        match hook {
            EndHook::Complete(hook) => hook(self),
            EndHook::Cancel(hook) => hook(self, &self.cause()),
            EndHook::Fail(hook) => hook(self, error),
        }
    }
}

/// For the group of the operation.
impl Operation {
    /// Creates the operation of a group, which counts the tasks of the group.
    pub(crate) fn of_group() -> Self {
        let operation = Operation::new();
        operation.inner.expect_tasks();
        operation
    }

    /// Counts a task of the group that is not an operation as a child. Called under the lock of the group. If this returns
    /// true, the caller must call [`tasks_changed`](Self::tasks_changed) after it has released the lock.
    #[inline]
    pub(crate) fn add_task(&self) -> bool {
        self.inner.add_task()
    }

    /// Counts the end of a task that [`add_task`](Self::add_task) has counted. The caller has the same duties.
    #[inline]
    pub(crate) fn remove_task(&self) -> bool {
        self.inner.remove_task()
    }

    /// Wakes waiters and updates the list of the parent, after the first task was added or the last one has ended. Called with
    /// no lock held.
    pub(crate) fn tasks_changed(&self) {
        Inner::tasks_changed(&self.inner);
    }
}

/// For watchers of the operation.
impl Operation {
    pub(super) fn activity(&self) -> Option<&Activity> {
        self.inner.activity.get().map(|activity| &**activity)
    }

    /// Adds a watcher, which is notified of all later events.
    pub(crate) fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.make_activity().add_watcher(watcher);
    }

    pub(super) fn make_activity(&self) -> &Activity {
        self.inner.activity.get_or_make(Box::default)
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.activity().is_some_and(Activity::is_watched)
    }

    /// Reports the end, and notifies the watchers that its hooks had run at the time `at`.
    fn leave(&self, at: Instant) {
        if let Some(activity) = self.activity() {
            activity.observed.ended(self);
            activity.tell_left(at);
        }
    }

    /// Notes that its first poll has begun at the time of its start.
    #[cold]
    pub(crate) fn note_first_poll(&self, at: Instant) {
        self.activity().into_iter().for_each(|activity| activity.first_poll_begins(at));
    }

    /// Notes whether it waits for its children.
    #[cold]
    pub(crate) fn note_joining(&self, joining: bool) {
        self.activity().into_iter().for_each(|activity| activity.set_joining(joining));
    }

    /// Reports that a race waits for this shield.
    #[cold]
    pub(crate) fn note_awaited_shield(&self, shield: &Protection) {
        if let Section::Shield(name) = shield.section() {
            let activity = self.activity();
            activity.into_iter().for_each(|known| known.observed.waits_for_shield(name.as_ref()));
        }
    }

    /// Records that the work is gone, which means that it has returned or been dropped.
    #[cold]
    pub(crate) fn note_work_over(&self) {
        self.activity().into_iter().for_each(|activity| activity.observed.work_is_over());
    }

    #[cold]
    pub(crate) fn note_clean_up(&self) {
        self.activity().into_iter().for_each(Activity::cleaning_up_begins);
    }

    /// Records shields that have registered in the work.
    #[cold]
    pub(crate) fn note_shields(&self, shields: &[Arc<Protection>]) {
        self.activity().into_iter().for_each(|activity| activity.add_shields(shields));
    }

    pub(crate) fn activity_snapshot(&self) -> Option<ActivitySnapshot> {
        Some(self.activity()?.snapshot())
    }

    /// Returns the parent, if it still exists, and whether there is a shield between the operation and the parent.
    pub(crate) fn parent(&self) -> (Option<Operation>, bool) {
        let (inner, shielded) = self.inner.parent();
        (inner.map(|inner| Operation { inner }), shielded)
    }

    /// Runs `callback` when the operation is cancelled, or at once if it already is.
    pub(crate) fn on_request(&self, callback: impl FnOnce(&Reason) + Send + 'static) {
        self.inner.token().on_cancel_detached(callback);
    }

    /// Notifies `observer` when the operation is cancelled, or at once if it already is.
    pub(crate) fn observe_cancellation(&self, observer: Weak<dyn CancelObserver>) {
        self.inner.token().observe(observer);
    }

    /// Cuts the grace period short. Returns whether the operation was in it.
    pub(crate) fn cut_grace(&self) -> bool {
        #[cfg(feature = "time")]
        return self.activity().is_some_and(Activity::cut_grace);
        #[cfg(not(feature = "time"))]
        false
    }
}

#[cfg(feature = "time")]
impl Operation {
    /// Marks the operation as being in its grace period. Returns whether the grace period has been cut short. If not, `waker`
    /// is woken when it is cut short.
    pub(crate) fn poll_forced(&self, waker: &std::task::Waker) -> bool {
        self.make_activity().poll_forced(waker)
    }

    /// Returns the end of the grace period that was chosen for this cancellation. The caller knows that the operation
    /// is cancelled.
    pub(crate) fn grace_end(&self) -> Option<Instant> {
        self.inner.grace_end()
    }

    pub(crate) fn end_grace(&self) {
        self.activity().into_iter().for_each(Activity::end_grace);
    }
}

/// Returns the text of an error. The error's `Display` is user code and may panic.
fn text_of(error: &dyn Display) -> Text {
    let text = contain(|| error.to_string());
    text.unwrap_or_else(|message| format!("panicked: {message}")).into()
}
