//! Hooks: what an operation calls when it starts, gets on and ends; and its last report.
//!
//! Each runs once or, for progress, each time; in the order in which they were given; with no lock
//! held. One that panics harms neither the others nor the operation.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;

use super::{Operation, Progress, Status};
use crate::Reason;
use crate::panic::contain;
use crate::sync::{AtomicBool, Mutex, Ordering};

pub(crate) type Hook = Box<dyn FnOnce(&Operation) + Send>;
pub(crate) type CancelHook = Box<dyn FnOnce(&Operation, &Reason) + Send>;
pub(crate) type ErrorHook = Box<dyn FnOnce(&Operation, &dyn Display) + Send>;
pub(crate) type ProgressHook = Arc<dyn Fn(&Operation, &Progress) + Send + Sync>;

/// The hooks of an operation. Most have none: they take a word.
#[derive(Default)]
pub(crate) struct Hooks {
    /// Whether there ever were any, or a report.
    any: AtomicBool,
    /// Whether the hooks of the ending have been called, and the others let go of. Changes under the
    /// lock.
    over: AtomicBool,
    lists: Mutex<Option<Box<Lists>>>,
}

#[derive(Default)]
struct Lists {
    on_start: Queue<Hook>,
    on_complete: Queue<Hook>,
    on_cancel: Queue<CancelHook>,
    on_error: Queue<ErrorHook>,
    on_progress: Vec<ProgressHook>,
    last: Option<Progress>,
}

/// Hooks of one kind that run once.
struct Queue<H> {
    hooks: VecDeque<H>,
    /// Whether someone is calling them, one after another.
    running: bool,
}

impl<H> Default for Queue<H> {
    fn default() -> Self {
        Queue { hooks: VecDeque::new(), running: false }
    }
}

impl Lists {
    /// Takes out the hooks that will not run any more, after an ending of this kind. Those of the
    /// kind itself stay: one that is added late is called by who adds it.
    fn forget(&mut self, family: Status) -> Lists {
        let kept = Lists { last: self.last.take(), ..Lists::default() };
        let mut forgotten = std::mem::replace(self, kept);
        match family {
            Status::Completed => std::mem::swap(&mut self.on_complete, &mut forgotten.on_complete),
            Status::Cancelled => std::mem::swap(&mut self.on_cancel, &mut forgotten.on_cancel),
            _ => std::mem::swap(&mut self.on_error, &mut forgotten.on_error),
        }
        forgotten
    }
}

impl Hooks {
    /// Whether no hook was ever given, and nothing reported: for who knows that nobody is about to.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    fn add(&self, add: impl FnOnce(&mut Lists)) {
        self.any.store(true, Ordering::Relaxed);
        add(self.lists.lock().get_or_insert_default());
    }

    /// Takes each hook out and calls it, also those that are added meanwhile. Where someone is at it
    /// already, perhaps further up on this very stack, that one calls them: so each has returned
    /// before the next one begins.
    fn run<H>(&self, queue: impl Fn(&mut Lists) -> &mut Queue<H>, call: impl Fn(H)) {
        let begin = |lists: &mut Box<Lists>| !std::mem::replace(&mut queue(lists).running, true);
        if !self.lists.lock().as_mut().is_some_and(begin) {
            return;
        }
        let next = |lists: &mut Box<Lists>| {
            let queue = queue(lists);
            let next = queue.hooks.pop_front();
            queue.running = next.is_some();
            next
        };
        loop {
            let hook = self.lists.lock().as_mut().and_then(next);
            let Some(hook) = hook else { return };
            // The panic hook has printed it, and there is nobody else to tell.
            let _ = contain(|| call(hook));
        }
    }

    pub(super) fn on_start(&self, hook: Hook) {
        self.add(|lists| lists.on_start.hooks.push_back(hook));
    }

    pub(super) fn on_complete(&self, hook: Hook) {
        self.add(|lists| lists.on_complete.hooks.push_back(hook));
    }

    pub(super) fn on_cancel(&self, hook: CancelHook) {
        self.add(|lists| lists.on_cancel.hooks.push_back(hook));
    }

    pub(super) fn on_error(&self, hook: ErrorHook) {
        self.add(|lists| lists.on_error.hooks.push_back(hook));
    }

    pub(super) fn on_progress(&self, hook: ProgressHook) {
        self.add(|lists| lists.on_progress.push(hook));
    }

    /// Only the builder gives these, before the start.
    #[inline]
    pub(super) fn start(&self, operation: &Operation) -> bool {
        if self.is_empty() {
            return false;
        }
        self.run(|lists| &mut lists.on_start, |hook| hook(operation));
        true
    }

    pub(super) fn complete(&self, operation: &Operation) {
        self.run(|lists| &mut lists.on_complete, |hook| hook(operation));
    }

    pub(super) fn cancel(&self, operation: &Operation, reason: &Reason) {
        self.run(|lists| &mut lists.on_cancel, |hook| hook(operation, reason));
    }

    pub(super) fn fail(&self, operation: &Operation, error: &dyn Display) {
        self.run(|lists| &mut lists.on_error, |hook| hook(operation, error));
    }

    /// Lets go of what will not run any more, after an ending of this kind.
    pub(super) fn forget(&self, family: Status) {
        let mut lists = self.lists.lock();
        self.over.store(true, Ordering::Relaxed);
        let forgotten = lists.as_mut().map(|lists| lists.forget(family));
        drop(lists);
        // What they hold is dropped with no lock held, and may panic as they may.
        let _ = contain(|| drop(forgotten));
    }

    /// The same for a hook that came after the ending. Where those of the ending are still being
    /// called, whoever does that lets go of it, and of nothing before.
    pub(super) fn forget_late(&self, family: Status) {
        let mut lists = self.lists.lock();
        let over = self.over.load(Ordering::Relaxed);
        let forgotten = lists.as_mut().filter(|_| over).map(|lists| lists.forget(family));
        drop(lists);
        // As above.
        let _ = contain(|| drop(forgotten));
    }

    /// Lets go of all hooks.
    pub(super) fn forget_all(&self) {
        let forgotten = self.lists.lock().as_mut().map(|lists| {
            let last = lists.last.take();
            std::mem::replace(&mut **lists, Lists { last, ..Lists::default() })
        });
        // As above.
        let _ = contain(|| drop(forgotten));
    }

    /// The last report.
    pub(super) fn last(&self) -> Option<Progress> {
        self.lists.lock().as_ref()?.last.clone()
    }

    pub(super) fn report(&self, operation: &Operation, progress: Progress) {
        self.any.store(true, Ordering::Relaxed);
        let mut lists = self.lists.lock();
        let known = lists.get_or_insert_default();
        if known.on_progress.is_empty() {
            let replaced = known.last.replace(progress);
            drop(lists);
            drop(replaced);
            return;
        }
        let replaced = known.last.replace(progress.clone());
        let hooks = known.on_progress.clone();
        drop(lists);
        drop(replaced);
        for hook in hooks {
            // As above.
            let _ = contain(|| hook(operation, &progress));
        }
    }
}
