//! The promises of README.md, by number.

mod aim;
mod arrival;
mod ends;
mod load;
mod outages;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cancelable::prelude::*;
use cancelable_bus::memory::{Call, Fault};
use cancelable_bus::{Delivery, Error, Memory, Request, RequestId, RunId, Scope, Ticket};

use crate::world::{CALL, Host, LEASE, POLL, SECOND, Work, World, key};

/// A connection on which every call of one kind has a fault.
fn faulty(world: &World, broken: Call, fault: Fault) -> Memory {
    let decide = move |call| if call == broken { fault } else { Fault::None };
    world.store.connection().with_faults(decide)
}

/// A switch that makes every call of a connection fail.
#[derive(Clone, Default)]
struct Outage(Arc<AtomicUsize>);

impl Outage {
    fn connection(&self, world: &World) -> Memory {
        let outage = self.0.clone();
        let decide = move |_| match outage.load(Ordering::SeqCst) {
            0 => Fault::None,
            1 => Fault::Before,
            _ => Fault::Silent,
        };
        world.store.connection().with_faults(decide)
    }

    /// Makes every call fail.
    fn fail(&self) {
        self.0.store(1, Ordering::SeqCst);
    }

    /// Swallows every answer, like a half-open connection.
    fn swallow(&self) {
        self.0.store(2, Ordering::SeqCst);
    }

    fn end(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

fn stop(world: &mut World, requester: &Host, run: RunId) -> RequestId {
    world.run(requester.bus.cancel(run, "stop")).unwrap()
}

fn ask(world: &mut World, requester: &Host, request: RequestId) -> Delivery {
    world.run(requester.bus.delivery(request, Duration::ZERO)).unwrap()
}

impl Work {
    fn reason(&self) -> Option<String> {
        self.operation.reason().map(|reason| reason.to_string())
    }

    /// Asserts that the request of [`stop`] has cancelled it.
    #[track_caller]
    fn assert_stopped(&self) {
        assert_eq!(self.reason().as_deref(), STOPPED);
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(self.reason(), None);
    }
}

/// Returns a process that works and one that asks.
fn two_hosts() -> (World, Host, Host) {
    let mut world = World::new();
    let (worker, requester) = (world.host(), world.host());
    (world, worker, requester)
}

const STOPPED: Option<&str> = Some("cancelled: stop");
const FIRST: Delivery = Delivery::Delivered { first: true };
const LATER: Delivery = Delivery::Delivered { first: false };

#[test]
fn each_promise_has_tests() {
    let readme = include_str!("../../README.md");
    let tests = [
        include_str!("promises/arrival.rs"),
        include_str!("promises/aim.rs"),
        include_str!("promises/outages.rs"),
        include_str!("promises/ends.rs"),
        include_str!("promises/load.rs"),
    ]
    .concat();
    let promised = (1..).take_while(|n| readme.contains(&format!("\n{n}. **"))).count();
    let tested = (1..).take_while(|n| tests.contains(&format!("\nmod promise_{n} {{"))).count();
    assert_eq!((promised, tested), (14, 14));
}
