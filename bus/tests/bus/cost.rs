//! The memory that a run costs its process.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use allocation_counter::measure;
use cancelable::prelude::*;
use cancelable_bus::engine::{
    Engine, Enrolled, NewRun, Polled, Process, ProcessStatus, Receipt, RunEnd, Target,
};
use cancelable_bus::{Bus, Key, ProcessId, Request, RequestId, RunId, Scope, StoreTime, Ticket};

use crate::world::{POLL, World, key};

/// A store that holds nothing, so that only the process is measured.
struct Nothing;

impl Engine for Nothing {
    type Error = Infallible;

    async fn drive(&self) -> Infallible {
        pending().await
    }

    async fn hint(&self) {
        pending().await
    }

    async fn connect(&self, _: &Process, _: Duration) -> Result<Enrolled, Infallible> {
        Ok(Enrolled::New)
    }

    async fn poll(&self, _: ProcessId, _: Duration) -> Result<Option<Polled>, Infallible> {
        Ok(Some(Polled::new(StoreTime::from_micros(0), Vec::new())))
    }

    async fn begin(&self, _: ProcessId, _: &[NewRun]) -> Result<Vec<RunId>, Infallible> {
        Ok(Vec::new())
    }

    async fn finish(&self, _: ProcessId, _: &[Receipt], _: &[RunEnd]) -> Result<(), Infallible> {
        Ok(())
    }

    async fn request(&self, _: &Process, _: &Request) -> Result<(), Infallible> {
        Ok(())
    }

    async fn unblock(&self, _: &Scope, _: &Key) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn targets(&self, _: &[RequestId]) -> Result<Vec<(RequestId, Vec<Target>)>, Infallible> {
        Ok(Vec::new())
    }

    async fn processes(&self, _: &Scope) -> Result<Vec<ProcessStatus>, Infallible> {
        Ok(Vec::new())
    }

    async fn forget(&self, _: Duration, _: u32) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn leave(&self, _: ProcessId) -> Result<(), Infallible> {
        Ok(())
    }
}

const RUNS: usize = 10_000;

/// Returns the bytes that a waiting run takes in its process, without its operation, and the bytes that are left after
/// its end.
fn bytes(make_ticket: impl Fn() -> Ticket) -> (i64, i64) {
    let mut world = World::new();
    let (bus, driver) = Bus::builder(Nothing).build().unwrap();
    world.spawn(driver);
    world.pass(POLL);
    let mut waiting = 0;
    let left = measure(|| {
        let works: Vec<_> = (0..RUNS).map(|_| pending::<()>().cancelable(never())).collect();
        let operations: Vec<_> = works.iter().map(|work| work.operation()).collect();
        let registering = measure(|| {
            for operation in &operations {
                bus.register(operation, make_ticket());
            }
            world.pass(POLL * 2);
        });
        assert_eq!(bus.health().runs, RUNS);
        waiting = registering.bytes_current;
        drop((works, operations));
        world.pass(POLL * 2);
    });
    assert_eq!(bus.health().runs, 0);
    (waiting / RUNS as i64, left.bytes_current / RUNS as i64)
}

#[test]
fn memory_of_a_waiting_run() {
    let (without, left) = bytes(Ticket::new);
    let (with_key, _) = bytes(|| key("customer 7").into());
    println!("{without} bytes for each run that waits, {left} after its end");
    // The key is a literal, which is not copied.
    assert_eq!(with_key, without);
    assert!(without < 550, "{without}");
    // The tables keep their capacity.
    assert!(left < 200, "{left}");
}
