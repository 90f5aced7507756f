//! The state that a body shares with its test, and what must hold for every body.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cancelable::operation::{Ending, OperationId};
use cancelable::prelude::*;
use futures::FutureExt;
use smol::future::yield_now;

use crate::support;

/// A time that is longer than any test takes.
pub(super) const LONG: Duration = Duration::from_secs(3600);

pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The future of an operation.
pub(super) type Run = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + Send>>;

/// How many sections have begun, and how many of them have ended.
#[derive(Clone, Default)]
pub(super) struct Sections(Arc<[AtomicUsize; 2]>);

impl Sections {
    pub(super) fn begin(&self) {
        self.0[0].fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.0[1].fetch_add(1, Ordering::SeqCst);
    }

    fn in_progress(&self) -> usize {
        // The number of ends is read first, so a section that begins and ends in between counts as one in progress.
        let ended = self.0[1].load(Ordering::SeqCst);
        self.0[0].load(Ordering::SeqCst) - ended
    }
}

/// An operation that is checked.
struct Known {
    operation: Operation,
    is_registered: bool,
    /// The status that each call of a hook has seen.
    ends: Arc<Mutex<Vec<Status>>>,
    reason: Option<Reason>,
}

/// How often the clean-up of the body has run.
#[derive(Default)]
struct CleanUps {
    /// The clean-up of `finally` ran to its end.
    done: AtomicUsize,
    lost: AtomicUsize,
    /// The clean-up of `finally_or_spawn` ran to its end, in the operation or in a task of its own.
    done_or_spawned: AtomicUsize,
}

/// Shared by the body, its tasks and its test.
#[derive(Clone)]
pub(super) struct World {
    spawner: Arc<dyn Fn(Task) + Send + Sync>,
    /// Everything that must be dropped holds a clone of this.
    pub(super) held: Arc<()>,
    pub(super) registry: Registry,
    /// The parent of the operation of the body.
    pub(super) parent: Operation,
    /// Sections that do not end if their future is dropped.
    pub(super) sections: Sections,
    /// Sections that end even if their future is dropped.
    pub(super) lasting: Sections,
    clean_ups: Arc<CleanUps>,
    /// Whether the test has dropped a future.
    has_dropped: Arc<AtomicBool>,
    /// Whether the body may end before its children: it was forced, or has a grace period.
    leaves_children: Arc<AtomicBool>,
    known: Arc<Mutex<Vec<Known>>>,
    /// The faults that were found in tasks and hooks, where a panic would not fail the test.
    faults: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub(super) fn new(spawner: impl Fn(Task) + Send + Sync + 'static) -> Self {
        World {
            spawner: Arc::new(spawner),
            held: Arc::default(),
            registry: Registry::new(),
            parent: support::unpolled("parent"),
            sections: Sections::default(),
            lasting: Sections::default(),
            clean_ups: Arc::default(),
            has_dropped: Arc::default(),
            leaves_children: Arc::default(),
            known: Arc::default(),
            faults: Arc::default(),
        }
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.spawner)(Box::pin(task));
    }

    pub(super) fn spawner(&self) -> impl Fn(Task) + Clone + Send + Sync + 'static {
        let spawner = self.spawner.clone();
        move |task| spawner(task)
    }

    /// Returns work that takes a few polls.
    pub(super) fn steps(&self) -> impl Future<Output = ()> + Send + use<> {
        let held = self.held.clone();
        async move {
            for _ in 0..2 {
                yield_now().await;
            }
            drop(held);
        }
    }

    /// Returns work that must run to its end once it has begun.
    pub(super) fn section(&self) -> impl Future<Output = ()> + Send + use<> {
        self.section_of(self.sections.clone())
    }

    /// Returns work that must run to its end once it has begun, even if its future is dropped.
    pub(super) fn lasting_section(&self) -> impl Future<Output = ()> + Send + use<> {
        self.section_of(self.lasting.clone())
    }

    fn section_of(&self, sections: Sections) -> impl Future<Output = ()> + Send + use<> {
        let steps = self.steps();
        // Held until the end has been counted, possibly on another thread.
        let held = self.held.clone();
        async move {
            sections.begin();
            steps.await;
            sections.end();
            drop(held);
        }
    }

    /// Spawns an operation with clean-up, as a child of the current one.
    pub(super) fn child(&self, work: impl Future<Output = ()> + Send + 'static) -> Operation {
        let run = work.cancelable(never()).registered_in(&self.registry);
        self.spawn_child(run, true)
    }

    /// Spawns an operation as a child of the current one.
    pub(super) fn spawn_child<F, S, E>(
        &self,
        run: Cancelable<F, S, E>,
        is_registered: bool,
    ) -> Operation
    where
        F: Future<Output = ()> + Send + 'static,
        S: Future<Output = Reason> + Send + 'static,
        E: Ending<()> + Send + 'static,
    {
        let clean_up = self.steps();
        let run = run.child_of(&Operation::current().unwrap()).finally(|_| clean_up);
        let operation = run.operation();
        self.note(&operation, is_registered, false);
        // A panic of the child ends here, as it does on executors.
        self.spawn(async move { drop(std::panic::AssertUnwindSafe(run).catch_unwind().await) });
        operation
    }

    /// Notes an operation, so that its end is checked. `joins` says that it ends after its children.
    pub(super) fn note(&self, operation: &Operation, is_registered: bool, joins: bool) {
        let ends = Arc::default();
        let noted = |world: &World| {
            let (world, ends): (_, Arc<Mutex<Vec<_>>>) = (world.clone(), Arc::clone(&ends));
            move |operation: &Operation| {
                ends.lock().unwrap().push(operation.status());
                let excused = world.has_dropped() || world.leaves_children.load(Ordering::SeqCst);
                let children = operation.child_count();
                if joins && !excused && children > 0 {
                    world.fault(format!("{operation:?} ended before {children} children"));
                }
            }
        };
        let [complete, cancel, error] = [(); 3].map(|()| noted(self));
        operation.on_complete(complete);
        operation.on_cancel(move |operation, _| cancel(operation));
        operation.on_error(move |operation, _| error(operation));
        let known = Known { operation: operation.clone(), is_registered, ends, reason: None };
        self.known.lock().unwrap().push(known);
    }

    /// Makes work an operation, which `stop` cancels.
    pub(super) fn run(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
        stop: CancellationToken,
    ) -> Run {
        self.whole(work.cancelable(stop), false)
    }

    /// Gives the operation of a body a name, a parent, clean-up and hooks. `joins` says that it ends after its children.
    pub(super) fn whole<F, S, E>(&self, run: Cancelable<F, S, E>, joins: bool) -> Run
    where
        F: Future<Output = ()> + Send + 'static,
        S: Future<Output = Reason> + Send + 'static,
        E: Ending<()> + Send + 'static,
    {
        let [first, second, lost] = [(); 3].map(|()| self.clone());
        let run = run.named("body").child_of(&self.parent).registered_in(&self.registry);
        let run = run.finally(move |_| async move {
            first.check_clean_up_begins(joins);
            first.steps().await;
            first.clean_ups.done.fetch_add(1, Ordering::SeqCst);
        });
        let run = run.finally_or_spawn(self.spawner(), move |_| async move {
            second.steps().await;
            second.clean_ups.done_or_spawned.fetch_add(1, Ordering::SeqCst);
        });
        let run = run.on_clean_up_lost(move |_| {
            lost.clean_ups.lost.fetch_add(1, Ordering::SeqCst);
        });
        self.note(&run.operation(), true, joins);
        Box::pin(run)
    }

    fn check_clean_up_begins(&self, joins: bool) {
        if self.has_dropped() {
            return;
        }
        let in_progress = self.sections.in_progress() + self.lasting.in_progress();
        self.expect(in_progress == 0, "clean-up begins after the sections");
        let children = self.body().child_count();
        let waits = joins && !self.leaves_children.load(Ordering::SeqCst);
        self.expect(!waits || children == 0, "clean-up begins after the children");
    }

    /// Notes a fault unless `is_true`.
    pub(super) fn expect(&self, is_true: bool, what: &str) {
        if !is_true {
            self.fault(what.to_owned());
        }
    }

    fn fault(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
    }

    /// Returns the operation of the body. It exists once the body does.
    pub(super) fn body(&self) -> Operation {
        let known = self.known.lock().unwrap();
        let body = known.iter().find(|known| known.operation.name() == Some("body"));
        body.expect("the body is noted").operation.clone()
    }

    /// Notes that the test is about to drop a future.
    pub(super) fn drops(&self) {
        self.has_dropped.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_dropped(&self) -> bool {
        self.has_dropped.load(Ordering::SeqCst)
    }

    /// Notes that from here on the body need not wait for its children.
    #[cfg(feature = "testing")]
    pub(super) fn leaves_children(&self) {
        self.leaves_children.store(true, Ordering::SeqCst);
    }

    /// Returns whether the test has dropped a future or cancelled the body. If so, the children of the body may have been
    /// cancelled too.
    pub(super) fn is_disturbed(&self) -> bool {
        self.has_dropped() || self.body().is_cancelled()
    }

    pub(super) fn operations(&self) -> Vec<Operation> {
        self.known.lock().unwrap().iter().map(|known| known.operation.clone()).collect()
    }

    /// Checks what must hold between any two polls: the hooks, the reasons, the lists of children and the registry.
    pub(super) fn check(&self) {
        assert_eq!(*self.faults.lock().unwrap(), [""; 0]);
        let mut known = self.known.lock().unwrap();
        let (mut ids, mut running) = (BTreeSet::new(), BTreeSet::new());
        for known in &mut *known {
            let Known { operation, is_registered, ends, reason } = known;
            let (snapshot, status) = (operation.snapshot(), operation.status());
            let calls = usize::from(status.is_final() && snapshot.started);
            assert_eq!(*ends.lock().unwrap(), vec![status; calls], "hooks of {operation:?}");
            let now = operation.reason();
            assert!(reason.is_none() || *reason == now, "{reason:?} became {now:?}");
            *reason = now;
            ids.insert(operation.id());
            if *is_registered && !status.is_final() {
                running.insert(operation.id());
            }
        }
        let only_known = |listed: Vec<OperationId>| {
            let listed: BTreeSet<_> = listed.into_iter().collect();
            &listed & &ids
        };
        let listed = self.registry.list().iter().map(|listed| listed.id).collect();
        assert_eq!(only_known(listed), running, "the registry");
        for Known { operation, .. } in &*known {
            let listed = operation.children().iter().map(Operation::id).collect();
            let is_child = |child: &&Known| {
                let child = &child.operation;
                child.parent_id() == Some(operation.id())
                    && (!child.status().is_final() || child.child_count() > 0)
            };
            let expected = known.iter().filter(is_child).map(|child| child.operation.id());
            assert_eq!(only_known(listed), expected.collect(), "children of {operation:?}");
        }
    }

    /// Checks that everything has ended and that nothing is left, except for what other threads are about to drop.
    /// `outcome` is `None` if the body was dropped.
    pub(super) fn check_end(&self, outcome: Option<&Result<(), Cancelled>>) {
        self.check();
        for operation in self.operations() {
            let left = (operation.child_count(), operation.status().is_final());
            assert_eq!(left, (0, true), "{operation:?}");
        }
        assert_eq!((self.registry.len(), self.parent.child_count()), (0, 0));
        assert_eq!(self.lasting.in_progress(), 0, "sections that outlive a drop");
        assert!(self.has_dropped() || self.sections.in_progress() == 0);

        let (body, count) = (self.body(), |count: &AtomicUsize| count.load(Ordering::SeqCst));
        let started = usize::from(body.snapshot().started);
        let CleanUps { done, lost, done_or_spawned } = &*self.clean_ups;
        assert_eq!((count(done) + count(lost), count(done_or_spawned)), (started, started));
        assert!(count(lost) == 0 || outcome.is_none(), "clean-up is lost only with the future");
        let (status, reason) = (body.status(), body.reason());
        match outcome {
            None => assert!(status == Status::Cancelled && reason.is_some()),
            Some(Ok(())) => assert_eq!(status, Status::Completed),
            Some(Err(cancelled)) => {
                assert_eq!(status, Status::Cancelled);
                assert_eq!(reason.as_ref(), Some(cancelled.reason()));
            }
        }
    }
}
