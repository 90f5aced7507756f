//! What may be sent, shared and kept across a panic.

use std::panic::{RefUnwindSafe, UnwindSafe};

use cancelable::prelude::*;
use cancelable::registry::{
    Drained, Event, Events, Filter, HistoryQuery, Inspection, Phase, Record, Stats,
};

fn everywhere<T: Send + Sync + 'static>() {}

fn plain<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}

#[test]
fn everything_may_go_to_any_thread() {
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
fn shutdowns_may_go_to_any_thread() {
    use cancelable::registry::{ServiceEnd, Shutdown, ShutdownPlan, ShutdownReport, ShutdownWhen};
    use cancelable::source::Never;

    everywhere::<Shutdown>();
    everywhere::<ShutdownPlan>();
    everywhere::<ShutdownWhen<Never>>();
    plain::<ShutdownReport>();
    plain::<ServiceEnd>();
}

#[test]
fn a_registry_may_be_used_after_a_panic() {
    fn unwinds<T: UnwindSafe + RefUnwindSafe>() {}
    unwinds::<Registry>();
}

#[test]
fn two_are_equal_when_they_are_one() {
    let registry = Registry::new();
    assert_eq!(registry, registry.clone());
    assert_ne!(registry, Registry::default());
}
