//! The registry: registering and leaving, listing, and cancelling all.

use std::future::pending;
use std::hint::black_box;
use std::pin::Pin;
use std::time::Duration;

use cancelable::Registry;
use cancelable::prelude::*;
use cancelable::registry::Filter;

use crate::measure::{Contestant, timed};
use crate::table::Table;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

type Run = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

/// Running operations.
fn running(registry: &Registry, size: usize) -> Vec<Run> {
    let waker = futures::task::noop_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    let run = |_| {
        let run = pending::<()>().cancelable(never()).named("job").registered_in(registry);
        let mut run: Run = Box::pin(run);
        assert!(run.as_mut().poll(&mut cx).is_pending());
        run
    };
    (0..size).map(run).collect()
}

pub(crate) fn rows(table: &mut Table) {
    let enter = |size| {
        let registry = Registry::with_history_limit(0);
        let others = running(&registry, size);
        let run = |_| drop(async {}.cancelable(never()).named("job").registered_in(&registry));
        let (taken, ()) = timed(|| (0..size).for_each(run));
        drop(others);
        taken
    };
    let bare = |size| {
        let run = |_| drop(black_box(async {}.cancelable(never()).named("job")));
        timed(|| (0..size).for_each(run)).0
    };
    table.row(
        ("an operation enters a registry that has so many, and leaves", None),
        &SIZES,
        vec![Contestant::new("registered", enter), Contestant::new("not registered", bare)],
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
        ("a registry of so many, each operation", None),
        &SIZES,
        vec![
            Contestant::new("list", |size| listed(size, |registry| registry.list().len())),
            Contestant::new("cancel_all", |size| {
                listed(size, |registry| registry.cancel_all(Filter::all(), "stop"))
            }),
        ],
    );
}
