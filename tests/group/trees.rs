//! Random trees of groups and operations, in place and on an executor that is driven by hand. They are cancelled, fail,
//! panic and are dropped at every step. Whatever happens, every member ends, after everything below it and with one
//! result, and the operations know which members are left. Sections and clean-up run to their end, unless they are dropped.

mod node;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use proptest::bool::weighted;
use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, option, prop_oneof};

use self::node::Kind;
use self::world::{Boxed, World};
use crate::orders::{Failed, Order, any_order};
use crate::support::{self, Wakes, check_random};

#[derive(Clone, Copy, Debug)]
enum Step {
    Poll(usize),
    Run,
    Order(usize, Order),
    /// Cancels the group of a node.
    Cancel(usize),
    /// Cancels a node that is an operation.
    CancelMember(usize),
    /// Drops a task of the executor.
    DropTask(usize),
    DropRoot,
}

fn plans() -> impl Strategy<Value = Vec<(usize, Kind)>> {
    let group = (any::<bool>(), any::<bool>(), any::<bool>(), option::weighted(0.2, 1..3_usize));
    let group = group.prop_map(|(in_place, operation, keeps_going, bound)| Kind::Group {
        in_place,
        operation,
        keeps_going,
        bound,
    });
    let operation = (any::<bool>(), weighted(0.2))
        .prop_map(|(shielded, clean_up_panics)| Kind::Operation { shielded, clean_up_panics });
    let kind = prop_oneof![
        3 => Just(Kind::Plain),
        3 => operation,
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
        2 => at.clone().prop_map(Step::CancelMember),
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
    let mut has_dropped = false;
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
            Step::Cancel(node) if node <= plans.len() => world.cancel(node, false),
            Step::CancelMember(node) if node <= plans.len() => world.cancel(node, true),
            Step::DropTask(task) if task < executor.spawned() => {
                world.dropping(|| executor.drop_task(task));
                has_dropped = true;
            }
            Step::DropRoot => {
                world.dropping(|| root = None);
                has_dropped = true;
            }
            _ => {}
        }
        world.check(&step);
    }
    // From here on everything ends. Only what was woken is polled.
    world.cancel(0, false);
    (0..=plans.len()).for_each(|node| world.give(node, Order::Return));
    run_all(&mut root);
    assert!(root.is_none(), "the root has not ended");
    assert_eq!(executor.pending(), 0, "a task is left");
    world.check_end(has_dropped);
}

#[test]
fn g18_every_member_of_a_tree_ends_after_what_is_below_it() {
    let _watchdog = support::watchdog();
    check_random(1_000, (plans(), steps()), |(plans, steps)| run(&plans, steps));
}
