//! Measures the registry: registering an operation that then leaves, listing all operations, and cancelling all operations.

use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cancelable::Registry;
use cancelable::prelude::*;
use cancelable::registry::Filter;

use crate::measure::{Contestant, timed};
use crate::table::Table;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

type BoxedOperation = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

/// The fields of a snapshot of an operation, for a map that a program keeps by hand.
#[derive(Debug)]
#[expect(dead_code, reason = "the map only stores them")]
struct Fields {
    name: Option<String>,
    status: Status,
    reason: Option<Reason>,
    error: Option<String>,
    parent: Option<(u64, Option<String>)>,
    metadata: BTreeMap<String, String>,
    progress: Option<(u64, u64, String)>,
    started: Option<Instant>,
    deadline: Option<Instant>,
}

impl Fields {
    fn new(name: &str) -> Self {
        Fields {
            name: Some(name.to_owned()),
            status: Status::Running,
            reason: None,
            error: None,
            parent: None,
            metadata: BTreeMap::new(),
            progress: None,
            started: Some(Instant::now()),
            deadline: None,
        }
    }
}

/// Returns `size` registered operations that have been polled once.
fn running(registry: &Registry, size: usize) -> Vec<BoxedOperation> {
    let waker = futures::task::noop_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    let start = |_| {
        let operation = pending::<()>().cancelable(never()).named("job").registered_in(registry);
        let mut operation: BoxedOperation = Box::pin(operation);
        assert!(operation.as_mut().poll(&mut cx).is_pending());
        operation
    };
    (0..size).map(start).collect()
}

pub(crate) fn rows(table: &mut Table) {
    let enter = |size| {
        let registry = Registry::with_history_limit(0);
        let others = running(&registry, size);
        let one = |_| drop(async {}.cancelable(never()).named("job").registered_in(&registry));
        let (taken, ()) = timed(|| (0..size).for_each(one));
        drop(others);
        taken
    };
    let in_map = |size| {
        let others = (0..size).map(|id| (id, Fields::new("job")));
        let map = Mutex::new(others.collect::<HashMap<_, _>>());
        let one = |id| {
            map.lock().expect("no thread panics").insert(id, Fields::new("job"));
            drop(map.lock().expect("no thread panics").remove(&id));
        };
        timed(|| (size..2 * size).for_each(one)).0
    };
    let bare = |size| {
        let one = |_| drop(black_box(async {}.cancelable(never()).named("job")));
        timed(|| (0..size).for_each(one)).0
    };
    table.row(
        ("an operation enters a registry of this size, and leaves", Some(1.5)),
        &SIZES,
        vec![
            Contestant::new("registered", enter),
            Contestant::new("HashMap: insert and remove", in_map),
            Contestant::new("not registered", bare),
        ],
    );

    let listed = |size, list: fn(&Registry) -> usize| -> Duration {
        let registry = Registry::with_history_limit(0);
        let others = running(&registry, size);
        let (taken, found) = timed(|| list(&registry));
        assert_eq!(found, size);
        drop(others);
        taken
    };
    table.row(
        ("each operation of a registry of this size", None),
        &SIZES,
        vec![
            Contestant::new("list", |size| listed(size, |registry| registry.list().len())),
            Contestant::new("cancel_all", |size| {
                listed(size, |registry| registry.cancel_all(Filter::all(), "stop"))
            }),
        ],
    );
}
