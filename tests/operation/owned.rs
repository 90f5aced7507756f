//! Work that is cancelled and dropped at each of its awaits. The work uses everything that operations own: waits for ends,
//! children, groups, sections, closures, moved limits and shutdowns. All of it ends once and in order, and nothing is kept.

mod bodies;
#[cfg(feature = "testing")]
mod by_hand;
mod groups;
mod sections;
mod world;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use cancelable::prelude::*;
use smol::future::yield_now;

use self::bodies::Body;
use self::world::{Task, World};
use crate::support::on_every_executor;

/// More polls than any of the bodies takes.
const AWAITS: usize = 200;

fn all_bodies() -> impl Iterator<Item = (&'static str, Body)> {
    bodies::bodies().into_iter().chain(sections::bodies()).chain(groups::bodies())
}

/// Spawns on the executor of this thread.
fn spawn_here(task: Task) {
    match tokio::runtime::Handle::try_current() {
        Ok(tokio) => drop(tokio.spawn(task)),
        Err(_) => smol::spawn(task).detach(),
    }
}

/// Waits until everything has ended, and checks that nothing is left. `outcome` is `None` if the body was dropped.
async fn settle(world: World, outcome: Option<Result<(), Cancelled>>) {
    for operation in world.operations() {
        operation.ended().await;
        operation.children_ended().await;
    }
    world.parent.children_ended().await;
    // Tasks on other threads may take a moment to be dropped.
    while Arc::strong_count(&world.held) > 1 || !world.registry.is_empty() {
        yield_now().await;
    }
    world.check_end(outcome.as_ref());
}

/// Runs every body, and cancels or drops it before each of its polls in turn.
async fn at_every_await(drops: bool) {
    for (name, body) in all_bodies() {
        let mut at = 0;
        let mut touched = true;
        while touched {
            at += 1;
            assert!(at < AWAITS, "{name} does not end");
            let (world, token) = (World::new(spawn_here), CancellationToken::new());
            let mut run = body(&world, token.clone());
            let mut polls = 0;
            let outcome = poll_fn(|cx| {
                polls += 1;
                if polls == at && drops {
                    world.drops();
                    return Poll::Ready(None);
                }
                if polls == at {
                    token.cancel_with("stop");
                }
                run.as_mut().poll(cx).map(Some)
            });
            let outcome = outcome.await;
            touched = polls >= at;
            drop(run);
            settle(world, outcome).await;
        }
    }
}

on_every_executor! {
    async fn cancelled_at_every_await() {
        at_every_await(false).await;
    }

    async fn dropped_at_every_await() {
        at_every_await(true).await;
    }
}
