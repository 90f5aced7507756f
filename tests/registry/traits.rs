//! The traits of the types: `Send`, `Sync`, `UnwindSafe`, `Eq`.

use std::panic::{RefUnwindSafe, UnwindSafe};

use cancelable::prelude::*;
use cancelable::registry::{
    Drained, Event, Events, Filter, HistoryQuery, Inspection, Phase, Record, Stats,
};

fn everywhere<T: Send + Sync + 'static>() {}

fn plain<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}

#[test]
fn send_and_sync() {
    everywhere::<Events>();
    everywhere::<Drained>();
    plain::<Registry>();
    plain::<Filter>();
    plain::<HistoryQuery>();
    plain::<Record>();
    plain::<Stats>();
    plain::<Event>();
    plain::<Inspection>();
    plain::<Phase>();
}

#[cfg(feature = "time")]
#[test]
fn shutdowns_are_send_and_sync() {
    use cancelable::registry::{
        PhaseReport, ServiceEnd, Shutdown, ShutdownPhases, ShutdownPlan, ShutdownReport,
        ShutdownWhen,
    };
    use cancelable::source::Never;

    everywhere::<Shutdown>();
    everywhere::<ShutdownPlan>();
    everywhere::<ShutdownWhen<Never>>();
    plain::<ShutdownReport>();
    plain::<PhaseReport>();
    everywhere::<ShutdownPhases>();
    plain::<ServiceEnd>();
}

#[test]
fn unwind_safe() {
    fn unwinds<T: UnwindSafe + RefUnwindSafe>() {}
    unwinds::<Registry>();
}

#[test]
fn equality() {
    let registry = Registry::new();
    assert_eq!(registry, registry.clone());
    assert_ne!(registry, Registry::default());
}
