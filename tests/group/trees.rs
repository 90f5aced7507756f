//! Random trees of groups and operations, in place and on an executor that is driven by hand. They are cancelled, fail,
//! panic and are dropped at every step. Whatever happens, every member ends, after everything below it and with one
//! result, and the operations know which members are left.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use cancelable::group::{GroupHandle, TaskError};
use cancelable::prelude::*;
use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, option, prop_oneof};
use smol::future::yield_now;

use crate::by_hand::ByHand;
use crate::orders::{Failed, Inbox, Order, any_order};
use crate::support::{self, Wakes, check_random};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Handle = GroupHandle<'static, usize, Failed>;

/// What kind of member a node is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Operation,
    Shielded,
    Daemon,
    /// Takes the results of the others until there are none.
    Drains,
    /// Has a group of its own, and waits for it.
    Group {
        in_place: bool,
        operation: bool,
        keeps_going: bool,
        bound: Option<usize>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Poll(usize),
    Run,
    Order(usize, Order),
    /// Cancels the group of a node.
    Cancel(usize),
    /// Drops a task of the executor.
    DropTask(usize),
    DropRoot,
}

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

/// A node of the tree. Node 0 is the root: a group that is not a member of another group.
#[derive(Debug)]
struct Node {
    parent: usize,
    kind: Kind,
    inbox: Inbox,
    /// Whether its future exists.
    is_alive: bool,
    /// Whether the executor dropped its future, so that nothing waits for its descendants.
    is_abandoned: bool,
    /// Its group, once it has begun.
    group: Option<Handle>,
    /// The number of results that its group must return, and the number that has been taken.
    owed: usize,
    taken: usize,
    /// Whether the code after the scope of its group has run.
    has_outcome: bool,
}

#[derive(Clone)]
struct World {
    executor: ByHand,
    state: Arc<Mutex<State>>,
}

struct State {
    nodes: Vec<Node>,
    /// Whether the test is dropping a task at this moment.
    is_dropping: bool,
    /// The nodes that ended before something below them.
    early: Vec<usize>,
}

impl State {
    /// Returns whether a node is below another one.
    fn is_below(&self, mut node: usize, top: usize) -> bool {
        while node > top {
            node = self.nodes[node].parent;
            if node == top {
                return true;
            }
        }
        false
    }

    /// Returns whether a descendant of a node is alive. With `strictly`, skips the descendants of abandoned nodes.
    fn has_alive_below(&self, top: usize, strictly: bool) -> bool {
        (0..self.nodes.len()).any(|node| {
            let excused = strictly
                && (0..node).any(|between| {
                    self.nodes[between].is_abandoned
                        && self.is_below(between, top)
                        && self.is_below(node, between)
                });
            self.nodes[node].is_alive && self.is_below(node, top) && !excused
        })
    }
}

/// Belongs to the future and the clean-up of a node, which are gone once this is dropped.
struct Alive(World, usize);

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

impl World {
    fn new(plans: &[(usize, Kind)]) -> Self {
        let root =
            Kind::Group { in_place: false, operation: false, keeps_going: false, bound: None };
        let mut nodes: Vec<Node> = Vec::new();
        for (parent, kind) in std::iter::once(&(0, root)).chain(plans) {
            let groups = |node: &usize| matches!(nodes[*node].kind, Kind::Group { .. });
            let groups: Vec<_> = (0..nodes.len()).filter(groups).collect();
            let parent = if groups.is_empty() { 0 } else { groups[parent % groups.len()] };
            nodes.push(Node {
                parent,
                kind: *kind,
                inbox: Inbox::default(),
                is_alive: false,
                is_abandoned: false,
                group: None,
                owed: 0,
                taken: 0,
                has_outcome: false,
            });
        }
        let state = State { nodes, is_dropping: false, early: Vec::new() };
        World { executor: ByHand::new(), state: Arc::new(Mutex::new(state)) }
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.lock().unwrap())
    }

    fn alive(&self, node: usize) -> Arc<Alive> {
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

    fn give(&self, node: usize, order: Order) {
        let waker = self.with(|state| state.nodes[node].inbox.give(order));
        waker.into_iter().for_each(Waker::wake);
    }

    /// Returns the future of a node. `above` is the group that it is a member of.
    fn work(
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
                Kind::Shielded => shield(order).await,
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
                Kind::Operation | Kind::Group { operation: true, .. } => {
                    let work = work.try_cancelable(never()).named("member");
                    group.try_spawn_cancelable(work.finally(|_| async move {
                        let _alive = alive;
                        yield_now().await;
                    }))
                }
                _ => {
                    drop(alive);
                    group.try_spawn(work)
                }
            };
            drop(handle);
        }
    }

    /// Checks that each group's operation has children if and only if something below it is alive.
    fn check(&self, step: &dyn fmt::Debug) {
        let groups: Vec<_> = self.with(|state| {
            let groups = (0..state.nodes.len()).filter_map(|node| {
                let group = state.nodes[node].group.clone()?;
                Some((node, group, state.has_alive_below(node, false)))
            });
            groups.collect()
        });
        assert_eq!(self.with(|state| state.early.clone()), [], "ended early, after {step:?}");
        for (node, group, has_alive) in groups {
            let children = group.operation().child_count();
            assert_eq!(children > 0, has_alive, "children of {node}: {children}, after {step:?}");
        }
    }
}

fn plans() -> impl Strategy<Value = Vec<(usize, Kind)>> {
    let group = (any::<bool>(), any::<bool>(), any::<bool>(), option::weighted(0.2, 1..3_usize));
    let group = group.prop_map(|(in_place, operation, keeps_going, bound)| Kind::Group {
        in_place,
        operation,
        keeps_going,
        bound,
    });
    let kind = prop_oneof![
        3 => Just(Kind::Plain),
        2 => Just(Kind::Operation),
        1 => Just(Kind::Shielded),
        1 => Just(Kind::Daemon),
        1 => Just(Kind::Drains),
        4 => group,
    ];
    collection::vec((0..8_usize, kind), 1..10)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0..10_usize;
    let step = prop_oneof![
        4 => at.clone().prop_map(Step::Poll),
        4 => Just(Step::Run),
        5 => (at.clone(), any_order()).prop_map(|(node, order)| Step::Order(node, order)),
        2 => at.clone().prop_map(Step::Cancel),
        2 => at.prop_map(Step::DropTask),
        1 => Just(Step::DropRoot),
    ];
    collection::vec(step, 0..30)
}

/// Polls the root if it was woken.
fn poll_root(
    root: &mut Option<Boxed<Result<usize, Failed>>>,
    wakes: &Arc<Wakes>,
    polled: &mut usize,
) {
    let woken = wakes.count() + 1;
    if *polled < woken {
        *polled = woken;
        let Some(polled) = root else { return };
        // If the body of the root panics, the panic is resumed once the members have ended.
        let ended = catch_unwind(AssertUnwindSafe(|| wakes.poll(polled.as_mut()).is_ready()));
        if ended.unwrap_or(true) {
            *root = None;
        }
    }
}

fn run(plans: &[(usize, Kind)], steps: Vec<Step>) {
    let world = World::new(plans);
    let (executor, wakes, mut polled) = (world.executor.clone(), Wakes::new(), 0);
    let mut root = Some(world.work(0, None, world.alive(0)));
    let mut run_all = |root: &mut Option<_>| {
        // Polling the root may wake tasks of the executor, and the other way round.
        for _ in 0..20 {
            poll_root(root, &wakes, &mut polled);
            executor.run();
        }
    };
    run_all(&mut root);
    for step in steps {
        match step {
            Step::Poll(task) if task < executor.spawned() => drop(executor.step(task)),
            Step::Run => run_all(&mut root),
            Step::Order(node, order) if node <= plans.len() => world.give(node, order),
            Step::Cancel(node) if node <= plans.len() => {
                let group = world.with(|state| state.nodes[node].group.clone());
                if let Some(group) = group {
                    group.operation().cancel_with("stop");
                }
            }
            Step::DropTask(task) if task < executor.spawned() => {
                world.with(|state| state.is_dropping = true);
                executor.drop_task(task);
                world.with(|state| state.is_dropping = false);
            }
            Step::DropRoot => {
                world.with(|state| state.is_dropping = true);
                root = None;
                world.with(|state| state.is_dropping = false);
            }
            _ => {}
        }
        world.check(&step);
    }
    // From here on everything ends. Only what was woken is polled.
    let group = world.with(|state| state.nodes[0].group.clone()).expect("the root has begun");
    group.operation().cancel_with("the end");
    (0..=plans.len()).for_each(|node| world.give(node, Order::Return));
    run_all(&mut root);
    assert!(root.is_none(), "the root has not ended");
    assert_eq!(executor.pending(), 0, "a task is left");
    world.check(&"the end");
    for number in 0..=plans.len() {
        let (is_alive, group, owed, has_outcome) = world.with(|state| {
            let node = &state.nodes[number];
            (node.is_alive, node.group.clone(), node.owed - node.taken, node.has_outcome)
        });
        assert!(!is_alive, "node {number} is alive");
        let Some(group) = group else { continue };
        let results = group.take_results().len();
        // A result may be in the outcome of a scope that was dropped because the code after the scope must not run.
        let is_lost = !has_outcome && results + 1 == owed;
        assert!(results == owed || is_lost, "node {number}: {results} results of {owed}");
        assert!(group.is_closed() && group.operation().status().is_final());
    }
}

#[test]
fn g18_every_member_of_a_tree_ends_after_what_is_below_it() {
    let _watchdog = support::watchdog();
    check_random(1_000, (plans(), steps()), |(plans, steps)| run(&plans, steps));
}
