//! A tree of operations in tasks, on an executor that is driven by hand.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cancelable::prelude::*;
use futures::stream::{FuturesUnordered, StreamExt};

use super::node::{Afterwards, Failure, Node, Order, Place, Plan, Seen};
use crate::support::Wakes;

/// The future of one operation.
type Run = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

pub(super) type Boxed = Pin<Box<dyn Future<Output = ()>>>;

pub(super) struct Task {
    pub(super) future: Option<Boxed>,
    pub(super) wakes: Arc<Wakes>,
    /// How often it had been woken when it was polled last. `None` if it has not been polled.
    polled_at: Option<usize>,
}

impl Task {
    pub(super) fn new(future: Boxed) -> Self {
        Task { future: Some(future), wakes: Wakes::new(), polled_at: None }
    }

    pub(super) fn is_woken(&self) -> bool {
        self.future.is_some() && self.polled_at.is_none_or(|polls| polls < self.wakes.count())
    }
}

pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) tasks: RefCell<Vec<Task>>,
    pub(super) registry: Registry,
    /// The work and the clean-up of every operation hold a clone of this.
    pub(super) held: Rc<()>,
    /// The faults that were found. They are collected and asserted later, because an assertion that fails while a
    /// panic unwinds would abort the process.
    pub(super) faults: RefCell<Vec<String>>,
    /// Whether the test is dropping a task.
    dropping: Cell<bool>,
}

impl World {
    pub(super) fn new(plans: &[Plan]) -> Rc<Self> {
        let world = Rc::new(World {
            nodes: plans.iter().enumerate().map(|(number, plan)| Node::new(number, plan)).collect(),
            tasks: RefCell::default(),
            registry: Registry::new(),
            held: Rc::new(()),
            faults: RefCell::default(),
            dropping: Cell::default(),
        });
        let root = world.operation(0, None);
        world.spawn(root);
        world
    }

    /// Returns the nodes whose operations exist.
    pub(super) fn existing(&self) -> impl Iterator<Item = (&Node, &Operation)> {
        self.nodes.iter().filter_map(|node| Some((node, node.operation.get()?)))
    }

    pub(super) fn parent(&self, node: &Node) -> Option<&Node> {
        (node.number > 0).then(|| &self.nodes[node.plan.parent])
    }

    fn children(&self, number: usize, place: Place) -> impl Iterator<Item = usize> {
        let children = self.nodes.iter().skip(number + 1);
        let children =
            children.filter(move |node| node.plan.parent == number && node.plan.place == place);
        children.map(|node| node.number)
    }

    /// Returns the operations whose work contains this operation, from the inside out. They are all in the same task.
    pub(super) fn around(&self, node: &Node) -> impl Iterator<Item = &Node> {
        let next = |node: &&Node| {
            let parent = self.parent(node)?;
            (!node.plan.place.is_own_task()).then_some(parent)
        };
        let first = self.nodes.get(node.number);
        std::iter::successors(first, next).skip(1)
    }

    fn spawn(&self, future: Boxed) {
        self.tasks.borrow_mut().push(Task::new(future));
    }

    /// Polls a task, unless it has ended. Its panics end here.
    pub(super) fn poll(&self, number: usize) {
        let (future, wakes) = {
            let task = &mut self.tasks.borrow_mut()[number];
            task.polled_at = Some(task.wakes.count());
            (task.future.take(), task.wakes.clone())
        };
        let Some(mut future) = future else { return };
        let polled = catch_unwind(AssertUnwindSafe(|| wakes.poll(future.as_mut())));
        if let Ok(Poll::Pending) = polled {
            self.tasks.borrow_mut()[number].future = Some(future);
        }
    }

    pub(super) fn drop_task(&self, number: usize) {
        let future = self.tasks.borrow_mut()[number].future.take();
        self.dropping.set(true);
        drop(future);
        self.dropping.set(false);
    }

    /// Polls woken tasks until no task is woken.
    pub(super) fn run(&self) {
        for _ in 0..10_000 {
            let woken = self.tasks.borrow().iter().position(Task::is_woken);
            let Some(number) = woken else { return };
            self.poll(number);
        }
        panic!("the tasks wake each other for ever");
    }

    /// Drops the wakers that the work of each operation has left in its node. They are not registered anywhere else.
    pub(super) fn forget_wakers(&self) {
        self.nodes.iter().for_each(Node::forget_waker);
    }

    /// Creates an operation, and those of its children that exist from the beginning.
    fn operation(self: &Rc<Self>, number: usize, parent: Option<&Operation>) -> Boxed {
        let node = &self.nodes[number];
        let limit = timeout(node.limit().unwrap_or(Duration::MAX));
        let [complete, cancel, fail, lost] = [(); 4].map(|()| node.noted.clone());
        let mut run = self
            .clone()
            .work(number)
            .try_cancelable(any_of((node.source.clone(), limit)))
            .named(node.name())
            .registered_in(&self.registry)
            .on_complete(move |_| complete.lock().unwrap().ends.push(Status::Completed))
            .on_cancel(move |_, _| cancel.lock().unwrap().ends.push(Status::Cancelled))
            .on_error(move |_, _| fail.lock().unwrap().ends.push(Status::Failed))
            .on_clean_up_lost(move |_| lost.lock().unwrap().lost += 1);
        if let Some(grace) = node.plan.grace {
            run = run.grace(Duration::from_millis(grace));
        }
        if let Some(parent) = parent {
            run = run.child_of(parent);
        }
        let operation = node.operation.get_or_init(|| run.operation());
        macro_rules! with_clean_up {
            ($run:expr) => {
                match node.plan.clean_up {
                    Some(polls) => {
                        let clean_up = self.clone().clean_up(number, polls);
                        Box::pin($run.finally(|_| clean_up)) as Run
                    }
                    None => Box::pin($run) as Run,
                }
            };
        }
        let run = match node.plan.afterwards {
            Afterwards::Leaves => with_clean_up!(run),
            Afterwards::Joins => with_clean_up!(run.joins_children()),
            Afterwards::Cancels => with_clean_up!(run.cancels_children()),
        };
        for child in self.children(number, Place::Task) {
            let child = self.operation(child, Some(operation));
            self.spawn(child);
        }
        Box::pin(Watched { world: self.clone(), number, run: Some(run) })
    }

    /// Polls the children in the work, until the test orders the work to end.
    async fn work(self: Rc<Self>, number: usize) -> Result<(), Failure> {
        let _held = self.held.clone();
        let node = &self.nodes[number];
        let mut parts: Vec<Boxed> = Vec::new();
        parts.extend(self.children(number, Place::Work).map(|child| self.part(child)));
        parts.extend(self.children(number, Place::Section).map(|child| self.section(child)));
        let others = self.children(number, Place::Combinator);
        let mut others: FuturesUnordered<_> = others.map(|child| self.part(child)).collect();
        parts.push(Box::pin(async move { while others.next().await.is_some() {} }));
        let operation = node.operation.get().unwrap();
        for child in self.children(number, Place::SpawnedTask) {
            self.spawn(self.operation(child, Some(operation)));
        }
        for child in self.children(number, Place::Scope) {
            let child = operation.in_scope(self.operation(child, None));
            self.spawn(Box::pin(child));
        }
        poll_fn(|cx| {
            parts.retain_mut(|part| part.as_mut().poll(cx).is_pending());
            match ready!(node.poll_order(cx)) {
                Order::Return => Poll::Ready(Ok(())),
                Order::Fail => Poll::Ready(Err(Failure::Own)),
                // This does not call the panic hook, which would print every panic.
                Order::Panic => resume_unwind(Box::new("on fire")),
            }
        })
        .await
    }

    /// Returns a shield around an operation. The section may be dropped in the middle only if its task is dropped, or if
    /// work around the section has ended.
    fn section(self: &Rc<Self>, child: usize) -> Boxed {
        struct Begun(Rc<World>, usize, bool);

        impl Drop for Begun {
            fn drop(&mut self) {
                let Begun(world, child, ended) = self;
                if !*ended && !world.may_cut(*child) {
                    world.fault(format!("the section of operation {child} was cut"));
                }
            }
        }

        let (operation, world) = (self.operation(child, None), self.clone());
        let section = shield(async move {
            let mut begun = Begun(world, child, false);
            operation.await;
            begun.2 = true;
        });
        let world = self.clone();
        Box::pin(async move {
            section.await;
            if world.is_stopping_around(child) {
                world.fault(format!("code after the section of operation {child} has run"));
            }
        })
    }

    /// Returns an operation in the work of its parent.
    fn part(self: &Rc<Self>, child: usize) -> Boxed {
        let (operation, world) = (self.operation(child, None), self.clone());
        Box::pin(async move {
            operation.await;
            let ended_with_parent = matches!(
                &*world.nodes[child].seen.borrow(),
                Seen::Cancelled(Reason::Parent { .. })
            );
            if ended_with_parent && world.is_stopping_around(child) {
                world.fault(format!("code after operation {child} has run"));
            }
        })
    }

    /// Returns whether an operation around this one is cancelled and about to drop its work. Operations outside of a section
    /// that contains this one do not count.
    fn is_stopping_around(&self, child: usize) -> bool {
        for outer in self.around(&self.nodes[child]) {
            let is_cancelled = outer.operation.get().is_some_and(Operation::is_cancelled);
            if is_cancelled && outer.plan.grace.is_none() {
                return true;
            }
            if outer.plan.place == Place::Section {
                return false;
            }
        }
        false
    }

    fn fault(&self, fault: String) {
        self.faults.borrow_mut().push(fault);
    }

    /// Returns whether a section or clean-up of this operation may be dropped: with its task, or because work around it
    /// has returned or panicked.
    fn may_cut(&self, child: usize) -> bool {
        let is_around = |outer: &Node, node: &Node| {
            self.around(node).any(|around| around.number == outer.number)
        };
        let mut outers = self.around(&self.nodes[child]);
        let has_panicked = |outer: &Node| {
            let mut inside = self.nodes.iter().filter(|node| is_around(outer, node));
            inside.any(|node| node.obeyed.get() == Some(Order::Panic))
        };
        self.dropping.get()
            || outers.any(|outer| outer.obeyed.get().is_some() || has_panicked(outer))
    }

    async fn clean_up(self: Rc<Self>, number: usize, polls: usize) {
        let _held = self.held.clone();
        for _ in 0..polls {
            smol::future::yield_now().await;
        }
        let cleaned = &self.nodes[number].cleaned;
        cleaned.set(cleaned.get() + 1);
    }
}

/// The future of an operation. Notes what becomes of it.
struct Watched {
    world: Rc<World>,
    number: usize,
    run: Option<Run>,
}

impl Watched {
    fn end(&mut self, seen: Seen) {
        *self.world.nodes[self.number].seen.borrow_mut() = seen;
        self.run = None;
    }
}

impl Future for Watched {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let run = self.run.as_mut().expect("polled after its end");
        match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => self.end(Seen::Value),
            Ok(Poll::Ready(Err(Failure::Own))) => self.end(Seen::Failure),
            Ok(Poll::Ready(Err(Failure::Cancelled(cancelled)))) => {
                self.end(Seen::Cancelled(cancelled.into_reason()));
            }
            Err(panic) => {
                self.end(Seen::Panic);
                resume_unwind(panic);
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.run.is_some() {
            let (world, number) = (self.world.clone(), self.number);
            let operation = world.nodes[number].operation.get().unwrap();
            let before = operation.snapshot();
            let owes = before.started && world.nodes[number].outlasts_its_work();
            if owes && !before.status.is_final() && !world.may_cut(number) {
                world.fault(format!("operation {number} was dropped before its end"));
            }
            self.end(Seen::Dropped(before.status));
        }
    }
}
