//! `Hooks`: the hooks for the start, the progress and the end of an operation, and its last progress report.
//!
//! 1. Hooks run in the order in which they were added, one after another, with no lock held. A hook that panics
//!    affects neither the others nor the operation.
//! 2. An end hook runs at most once. The thread that records the end runs the hooks in the list. When it finds the list
//!    empty, it closes the list under the same lock. If a hook is added later, the thread that adds the hook runs it.
//! 3. A hook that will not run is dropped at once: when the list is closed or, if the hook is added after that, when it is
//!    added.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;

use super::{Operation, Progress, Status};
use crate::panic::{contain, discard};
use crate::reason::Reason;
use crate::sync::{AtomicBool, Mutex, Ordering};

pub(crate) type Hook = Box<dyn FnOnce(&Operation) + Send>;
type CancelHook = Box<dyn FnOnce(&Operation, &Reason) + Send>;
type FailHook = Box<dyn FnOnce(&Operation, &dyn Display) + Send>;
type ProgressHook = Arc<dyn Fn(&Operation, &Progress) + Send + Sync>;

/// A hook for one kind of end.
pub(super) enum EndHook {
    Complete(Hook),
    Cancel(CancelHook),
    Fail(FailHook),
}

impl EndHook {
    /// Returns the status of the end that this hook is for.
    fn status(&self) -> Status {
        match self {
            EndHook::Complete(_) => Status::Completed,
            EndHook::Cancel(_) => Status::Cancelled,
            EndHook::Fail(_) => Status::Failed,
        }
    }
}

#[derive(Default)]
pub(crate) struct Hooks {
    state: Mutex<State>,
    /// Whether there ever was a hook or a report. Set under the lock, and never cleared.
    used: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Boxed, because most operations have no hooks and report no progress.
    lists: Option<Box<Lists>>,
    closed: Closed,
    /// Whether a thread is running the hooks of the end.
    running: bool,
}

#[derive(Default)]
struct Lists {
    on_start: VecDeque<Hook>,
    on_end: VecDeque<EndHook>,
    on_progress: Vec<ProgressHook>,
    last: Option<Progress>,
}

/// Whether hooks are still accepted.
#[derive(Clone, Copy, Default, PartialEq)]
enum Closed {
    #[default]
    Open,
    /// The end hooks have run. A hook for the same end that is added later runs at once.
    Ended(Status),
    /// The future was dropped before its first poll. No hook will run.
    Unpolled,
}

impl State {
    /// Accepts no more hooks. Returns the hooks that will not run. The caller drops them after it has released the
    /// lock.
    fn close(&mut self, closed: Closed) -> Option<Lists> {
        self.closed = closed;
        let lists = self.lists.as_deref_mut()?;
        let kept = Lists { last: lists.last.take(), ..Lists::default() };
        Some(std::mem::replace(lists, kept))
    }
}

impl Hooks {
    /// Returns whether a hook or a report was ever added, as far as the calling thread can see.
    #[inline]
    pub(super) fn were_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Returns the lists, and creates them if there are none. Notes that they are used. The caller has locked `state`.
    fn lists<'a>(&self, state: &'a mut State) -> &'a mut Lists {
        self.used.store(true, Ordering::Relaxed);
        state.lists.get_or_insert_default()
    }

    /// Adds a start hook. Only the builder calls this.
    pub(super) fn on_start(&self, hook: Hook) {
        let mut state = self.state.lock();
        if state.closed == Closed::Open {
            self.lists(&mut state).on_start.push_back(hook);
        } else {
            drop(state);
            discard(hook);
        }
    }

    /// Runs the start hooks. Returns whether there were any.
    #[inline]
    pub(super) fn run_start(&self, operation: &Operation) -> bool {
        // Only the builder adds start hooks, so this thread sees all of them.
        if !self.were_used() {
            return false;
        }
        let next = || self.state.lock().lists.as_mut()?.on_start.pop_front();
        let Some(first) = next() else { return false };
        let mut hook = Some(first);
        while let Some(current) = hook {
            let _ = contain(|| current(operation));
            hook = next();
        }
        true
    }

    /// Adds an end hook. Returns `true` if the operation has already ended in the way that the hook is for. The caller must
    /// then call [`run_late`](Self::run_late).
    pub(super) fn on_end(&self, hook: EndHook) -> bool {
        let mut state = self.state.lock();
        let has_come = match state.closed {
            Closed::Open => false,
            Closed::Ended(status) if status == hook.status() => true,
            Closed::Ended(_) | Closed::Unpolled => {
                drop(state);
                discard(hook);
                return false;
            }
        };
        self.lists(&mut state).on_end.push_back(hook);
        has_come
    }

    /// Runs the hooks of this end with `call`, drops all others, and closes the list. Returns whether there were hooks
    /// of any kind. The thread that has recorded the end calls this.
    pub(super) fn run_end(&self, status: Status, call: impl Fn(EndHook)) -> bool {
        {
            let mut state = self.state.lock();
            // Most operations have none.
            if state.lists.is_none() {
                state.closed = Closed::Ended(status);
                return false;
            }
        }
        self.run_end_hooks(status, call);
        true
    }

    #[cold]
    fn run_end_hooks(&self, status: Status, call: impl Fn(EndHook)) {
        loop {
            let mut state = self.state.lock();
            let next = state.lists.as_mut().and_then(|lists| lists.on_end.pop_front());
            let Some(hook) = next else {
                // The list is closed under the same lock under which it was found empty. So if another thread adds a hook,
                // the hook is either already in the list, or that thread runs it (2).
                let dropped = state.close(Closed::Ended(status));
                drop(state);
                return discard_all(dropped);
            };
            drop(state);
            if hook.status() == status {
                let _ = contain(|| call(hook));
            } else {
                discard(hook);
            }
        }
    }

    /// Runs hooks that were added after the list was closed. If a thread is already running such hooks, that thread runs the
    /// new hooks too. It may be the calling thread itself, if one of the hooks has added another hook.
    pub(super) fn run_late(&self, call: impl Fn(EndHook)) {
        if std::mem::replace(&mut self.state.lock().running, true) {
            return;
        }
        loop {
            let next = {
                let mut state = self.state.lock();
                let next = self.lists(&mut state).on_end.pop_front();
                // `running` is cleared under the same lock under which the list was found empty. So a hook that is added
                // later finds it cleared, and is run by the thread that adds the hook.
                state.running = next.is_some();
                next
            };
            let Some(hook) = next else { return };
            let _ = contain(|| call(hook));
        }
    }

    /// Drops all hooks, because the future was dropped before its first poll. Hooks that are added later are
    /// dropped at once.
    pub(super) fn drop_all(&self) {
        let dropped = self.state.lock().close(Closed::Unpolled);
        discard_all(dropped);
    }

    /// Adds a hook for progress.
    pub(super) fn on_progress(&self, hook: ProgressHook) {
        let mut state = self.state.lock();
        if state.closed == Closed::Open {
            self.lists(&mut state).on_progress.push(hook);
        } else {
            drop(state);
            discard(hook);
        }
    }

    /// Returns the last report.
    pub(super) fn last_report(&self) -> Option<Progress> {
        self.state.lock().lists.as_ref()?.last.clone()
    }

    pub(super) fn report(&self, operation: &Operation, progress: Progress) {
        let mut state = self.state.lock();
        let lists = self.lists(&mut state);
        if lists.on_progress.is_empty() {
            let replaced = lists.last.replace(progress);
            drop(state);
            drop(replaced);
            return;
        }
        let replaced = lists.last.replace(progress.clone());
        let hooks = lists.on_progress.clone();
        drop(state);
        drop(replaced);
        for hook in hooks {
            // The closure also drops the hook, because this may be its last owner.
            let progress = &progress;
            let _ = contain(move || hook(operation, progress));
        }
    }
}

/// Drops hooks one by one. If two hooks panicked while a list is being dropped, the process would abort.
fn discard_all(lists: Option<Lists>) {
    let Some(lists) = lists else { return };
    lists.on_start.into_iter().for_each(discard);
    lists.on_end.into_iter().for_each(discard);
    lists.on_progress.into_iter().for_each(discard);
}
