//! A tree of groups and their members: the work of each node, and the checks for all of them.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::thread::panicking;

use cancelable::TryCancelable;
use cancelable::group::TaskError;
use cancelable::operation::Ending;
use cancelable::prelude::*;
use cancelable::source::Never;
use smol::future::yield_now;

use super::node::{Handle, Kind, Node, State};
use crate::by_hand::ByHand;
use crate::orders::{Failed, Order};

pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The error of a scope.
enum ScopeError {
    Body,
    /// The result of a member.
    Member,
    Cancelled,
}

impl From<TaskError<Failed>> for ScopeError {
    fn from(error: TaskError<Failed>) -> Self {
        if error.is_cancelled() { ScopeError::Cancelled } else { ScopeError::Member }
    }
}

impl From<Cancelled> for ScopeError {
    fn from(_: Cancelled) -> Self {
        ScopeError::Cancelled
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope failed")
    }
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) executor: ByHand,
    state: Arc<Mutex<State>>,
}

/// Shared by the future and the clean-up of a node. It is dropped once both are gone.
pub(super) struct Alive(World, usize);

impl Drop for Alive {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap();
        let is_dropping = state.is_dropping;
        let node = &mut state.nodes[self.1];
        (node.is_alive, node.is_abandoned) = (false, is_dropping);
        // The fault is collected here and asserted later, because a panic at this point would only become the result of a
        // member.
        if !is_dropping && state.has_alive_below(self.1, true) {
            state.early.push(self.1);
        }
    }
}

/// Belongs to a section, which runs to its end once it has begun.
struct Section(World, usize, bool);

impl Drop for Section {
    fn drop(&mut self) {
        let Section(world, node, has_ended) = self;
        let mut state = world.state.lock().unwrap();
        if !*has_ended && !state.is_dropping && !panicking() {
            state.cut.push(*node);
        }
    }
}

impl World {
    pub(super) fn new(plans: &[(usize, Kind)]) -> Self {
        let root =
            Kind::Group { in_place: false, operation: false, keeps_going: false, bound: None };
        let mut nodes: Vec<Node> = Vec::new();
        for (parent, kind) in std::iter::once(&(0, root)).chain(plans) {
            let groups = |node: &usize| matches!(nodes[*node].kind, Kind::Group { .. });
            let groups: Vec<_> = (0..nodes.len()).filter(groups).collect();
            let parent = if groups.is_empty() { 0 } else { groups[parent % groups.len()] };
            nodes.push(Node::new(parent, *kind));
        }
        let state = State { nodes, is_dropping: false, early: Vec::new(), cut: Vec::new() };
        World { executor: ByHand::new(), state: Arc::new(Mutex::new(state)) }
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.lock().unwrap())
    }

    pub(super) fn alive(&self, node: usize) -> Arc<Alive> {
        self.with(|state| state.nodes[node].is_alive = true);
        Arc::new(Alive(self.clone(), node))
    }

    /// Waits for the order of a node, and obeys it.
    fn order(&self, node: usize) -> impl Future<Output = Result<usize, Failed>> + Send + 'static {
        let world = self.clone();
        async move {
            let order = poll_fn(|cx| world.with(|state| state.nodes[node].inbox.poll(cx)));
            order.await.obey(node)
        }
    }

    pub(super) fn give(&self, node: usize, order: Order) {
        let waker = self.with(|state| state.nodes[node].inbox.give(order));
        waker.into_iter().for_each(Waker::wake);
    }

    /// Returns the future of a node. `above` is the group that it is a member of.
    pub(super) fn work(
        &self,
        node: usize,
        above: Option<Handle>,
        alive: Arc<Alive>,
    ) -> Boxed<Result<usize, Failed>> {
        let world = self.clone();
        let (kind, parent) = self.with(|state| (state.nodes[node].kind, state.nodes[node].parent));
        let order = self.order(node);
        Box::pin(async move {
            let _alive = alive;
            match kind {
                Kind::Shielded | Kind::Operation { shielded: true, .. } => {
                    let section = async move {
                        let mut section = Section(world, node, false);
                        let result = order.await;
                        section.2 = true;
                        result
                    };
                    shield(section).await
                }
                Kind::Drains => {
                    let above = above.expect("it is no root");
                    while above.next().await.is_some() {
                        world.with(|state| state.nodes[parent].taken += 1);
                    }
                    Ok(node)
                }
                Kind::Group { in_place, keeps_going, bound, .. } => {
                    let mut group = if in_place {
                        TaskGroup::fallible_in_place()
                    } else {
                        world.executor.group()
                    };
                    if keeps_going {
                        group = group.keep_going();
                    }
                    if let Some(bound) = bound {
                        group = group.at_most(bound);
                    }
                    world.with(|state| state.nodes[node].group = Some(group.handle()));
                    let scope = group.try_scope(never(), async |group| {
                        world.spawn_members(node, &group);
                        order.await.map_err(|Failed| ScopeError::Body)
                    });
                    let outcome = scope.await;
                    let took = matches!(outcome, Err(ScopeError::Member));
                    world.with(|state| {
                        state.nodes[node].taken += usize::from(took);
                        state.nodes[node].has_outcome = true;
                    });
                    outcome.map_err(|_| Failed)
                }
                _ => order.await,
            }
        })
    }

    fn spawn_members(&self, node: usize, group: &Handle) {
        let members = self.with(|state| {
            let is_member = |other: &usize| *other > 0 && state.nodes[*other].parent == node;
            (0..state.nodes.len()).filter(is_member).collect::<Vec<_>>()
        });
        for member in members {
            let kind = self.with(|state| state.nodes[member].kind);
            if let Kind::Daemon = kind {
                let work = self.work(member, None, self.alive(member));
                group.spawn_daemon(async move { drop(work.await) });
                continue;
            }
            self.with(|state| state.nodes[node].owed += 1);
            let alive = self.alive(member);
            let work = self.work(member, Some(group.clone()), alive.clone());
            let handle = match kind {
                Kind::Operation { .. } | Kind::Group { operation: true, .. } => {
                    group.try_spawn_cancelable(self.operation(member, work, alive))
                }
                _ => {
                    drop(alive);
                    group.try_spawn(work)
                }
            };
            drop(handle);
        }
    }

    /// Makes an operation of a member, with clean-up that keeps the member alive.
    fn operation(
        &self,
        member: usize,
        work: Boxed<Result<usize, Failed>>,
        alive: Arc<Alive>,
    ) -> TryCancelable<
        Boxed<Result<usize, Failed>>,
        Never,
        impl Ending<Result<usize, Failed>> + Send + use<>,
    > {
        let count = |counter: fn(&mut Node) -> &mut usize| {
            let world = self.clone();
            move || world.with(|state| *counter(&mut state.nodes[member]) += 1)
        };
        let [complete, cancel, error] = [(); 3].map(|()| count(|node| &mut node.ends));
        let (cleaned, lost) = (count(|node| &mut node.cleaned), count(|node| &mut node.lost));
        let kind = self.with(|state| state.nodes[member].kind);
        let panics = matches!(kind, Kind::Operation { clean_up_panics: true, .. });
        let run = work
            .try_cancelable(never())
            .named("member")
            .on_complete(move |_| complete())
            .on_cancel(move |_, _| cancel())
            .on_error(move |_, _| error())
            .on_clean_up_lost(move |_| lost());
        let operation = run.operation();
        self.with(|state| state.nodes[member].operation = Some(operation));
        run.finally(move |_| async move {
            let _alive = alive;
            yield_now().await;
            cleaned();
            if panics {
                resume_unwind(Box::new("on fire"));
            }
        })
    }

    /// Cancels the group of a node. With `own`, cancels the operation of the node itself instead.
    pub(super) fn cancel(&self, node: usize, own: bool) {
        let operation = self.with(|state| {
            let node = &state.nodes[node];
            let of_group = node.group.as_ref().map(Handle::operation);
            if own { node.operation.clone() } else { of_group }
        });
        if let Some(operation) = operation {
            operation.cancel_with("stop");
        }
    }

    /// Drops something that may hold nodes.
    pub(super) fn dropping(&self, drop: impl FnOnce()) {
        self.with(|state| state.is_dropping = true);
        drop();
        self.with(|state| state.is_dropping = false);
    }

    /// Checks that each group's operation has children if and only if something below it is alive.
    pub(super) fn check(&self, step: &dyn fmt::Debug) {
        let groups: Vec<_> = self.with(|state| {
            let groups = (0..state.nodes.len()).filter_map(|node| {
                let group = state.nodes[node].group.clone()?;
                Some((node, group, state.has_alive_below(node, false)))
            });
            groups.collect()
        });
        assert_eq!(self.with(|state| state.early.clone()), [], "ended early, after {step:?}");
        assert_eq!(self.with(|state| state.cut.clone()), [], "sections cut, after {step:?}");
        for (node, group, has_alive) in groups {
            let children = group.operation().child_count();
            assert_eq!(children > 0, has_alive, "children of {node}: {children}, after {step:?}");
        }
    }

    /// Checks that everything has ended, and how. `has_dropped` says whether the test has dropped a task or the root.
    pub(super) fn check_end(&self, has_dropped: bool) {
        self.check(&"the end");
        for number in 0..self.with(|state| state.nodes.len()) {
            let (is_alive, group, owed, has_outcome) = self.with(|state| {
                let node = &state.nodes[number];
                (node.is_alive, node.group.clone(), node.owed - node.taken, node.has_outcome)
            });
            assert!(!is_alive, "node {number} is alive");
            self.check_operation(number, has_dropped);
            let Some(group) = group else { continue };
            let results = group.take_results().len();
            // If the code after a scope must not run, the outcome of the scope is dropped, and a result may be in it.
            let is_lost = !has_outcome && results + 1 == owed;
            assert!(results == owed || is_lost, "node {number}: {results} results of {owed}");
            assert!(group.is_closed() && group.operation().status().is_final());
        }
    }

    /// Checks that the operation of a member has ended once, after its clean-up.
    fn check_operation(&self, number: usize, has_dropped: bool) {
        let (operation, ends, cleaned, lost) = self.with(|state| {
            let node = &state.nodes[number];
            (node.operation.clone(), node.ends, node.cleaned, node.lost)
        });
        let Some(operation) = operation else { return };
        assert!(operation.status().is_final(), "{operation:?}");
        let started = usize::from(operation.snapshot().started);
        assert_eq!((ends, cleaned + lost), (started, started), "node {number}: {operation:?}");
        assert!(lost == 0 || has_dropped, "the clean-up of node {number} is lost");
    }
}
