//! Operations that do not stop: the phase of each, and which work does not yield.

use std::future::pending;
use std::pin::pin;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::Shield;
use cancelable::prelude::*;
use cancelable::registry::{Filter, Inspection, Phase, ShutdownReport};
use cancelable::source::Never;

use crate::helpers::{pending_polls, running, started};
use crate::support::{self, poll_once};

/// Shuts the registry down, and polls the operations again with `poll_all` while the shutdown waits.
fn report(registry: &Registry, mut poll_all: impl FnMut()) -> ShutdownReport {
    // This is real time, and has to be longer than a poll takes on a busy machine.
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(Duration::from_millis(50)));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    poll_all();
    support::block_on(shutdown)
}

fn only(registry: &Registry) -> Inspection {
    let mut found = registry.inspect(Filter::all());
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn named_shield() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let work = async {
        shield(async {}).named("over").await;
        shield(pending::<()>()).named("flush").await;
    };
    let run = work.cancelable(never()).named("save").registered_in(&registry);
    let (operation, mut run) = started(run);
    operation.report_progress(Progress::steps(3, 9).with_message("writing"));
    let report = report(&registry, || assert!(poll_once(run.as_mut()).is_pending()));
    let stuck = &report.remaining[0];
    assert_eq!(stuck.phase.to_string(), "in shield \"flush\"");
    assert_eq!(stuck.snapshot.id, operation.id());
    assert_eq!(stuck.snapshot.reason, Some(Reason::manual("shutting down")));
    assert!(stuck.stopping.is_some() && stuck.last_poll.is_some() && stuck.in_poll.is_none());
    let text = report.to_string();
    assert!(text.starts_with("shutdown: the only operation did not stop in "), "{text}");
    let expected =
        format!("\noperation {} `save`: in shield \"flush\"\n  cancelled ", operation.id());
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains(" ago: cancelled: shutting down\n"), "{text}");
    assert!(text.contains("\n  progress: writing: 3 of 9\n"), "{text}");
    assert!(text.contains("\n  last polled "), "{text}");
}

#[test]
fn unnamed_shield() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let work = shield(pending::<()>()).named("").cancelable(never()).registered_in(&registry);
    let (_, _run) = started(work);
    assert_eq!(only(&registry).phase.to_string(), "in a shield");
}

#[test]
fn shield_in_an_inner_race() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let work = async {
        let race = shield(pending::<()>()).named("flush").cancelable(never());
        let _ = race.await;
    };
    let (_, _run) = started(work.cancelable(never()).registered_in(&registry));
    assert_eq!(only(&registry).phase.to_string(), "in shield \"flush\"");
}

/// Inspects an operation of `registry` whose child is in a shield. `register` may put the child into a registry.
fn around_a_shield(registry: &Registry, register: impl Fn(Registered) -> Registered) -> Inspection {
    let work = shield(pending::<()>()).named("flush").cancelable(never()).named("inner");
    let work = register(work);
    let outer = async move {
        let _ = work.await;
    };
    let (operation, _run) = started(outer.cancelable(never()).registered_in(registry));
    let found = registry.inspect(Filter::all());
    found.into_iter().find(|found| found.snapshot.id == operation.id()).unwrap()
}

type Registered = Cancelable<Shield<std::future::Pending<()>>, Never>;

#[test]
fn innermost_member_reports_the_shield() {
    let _watchdog = support::watchdog();
    let (registry, other) = (Registry::new(), Registry::new());
    let told = |inspection: Inspection| inspection.phase.to_string();
    // The child is in no registry, in another one, in the same one.
    assert_eq!(told(around_a_shield(&registry, |run| run)), "in shield \"flush\"");
    let found = around_a_shield(&registry, |run| run.registered_in(&other));
    assert_eq!(told(found), "in shield \"flush\"");
    let found = around_a_shield(&registry, |run| run.registered_in(&registry));
    assert!(told(found).starts_with("waiting for child "));
}

#[test]
fn own_shield_before_child() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let of_work = registry.clone();
    let work = async move {
        let child = shield(pending::<()>()).named("of the child").cancelable(never());
        let own = shield(pending::<()>()).named("its own");
        let _ = futures::join!(child.registered_in(&of_work), own);
    };
    let (operation, _run) = started(work.cancelable(never()).registered_in(&registry));
    let found = registry.inspect(Filter::all());
    let found = found.iter().find(|found| found.snapshot.id == operation.id()).unwrap();
    assert_eq!(found.phase.to_string(), "in shield \"its own\"");
}

#[test]
fn panicking_poll_has_returned() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    // A panic of the work ends the operation. A panic of the source only propagates.
    let source = async { panic!("of the source") };
    let run = pending::<()>().cancelable(source).registered_in(&registry);
    let mut run = Box::pin(run);
    let polled = std::panic::AssertUnwindSafe(|| poll_once(run.as_mut()));
    assert!(std::panic::catch_unwind(polled).is_err());
    let found = only(&registry);
    assert!(found.in_poll.is_none() && found.last_poll.is_some());
}

#[test]
fn dropped_shield() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let work = async {
        let mut section = Box::pin(shield(pending::<()>()).named("flush"));
        assert!(futures::poll!(section.as_mut()).is_pending());
        drop(section);
        pending::<()>().await;
    };
    let (_, _run) = started(work.cancelable(never()).registered_in(&registry));
    assert_eq!(only(&registry).phase, Phase::Running);
}

#[test]
fn clean_up() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).named("session").finally(|_| pending::<()>());
    let (_, mut run) = started(run.registered_in(&registry));
    assert_eq!(only(&registry).phase, Phase::Running);
    let report = report(&registry, || assert!(poll_once(run.as_mut()).is_pending()));
    assert_eq!(report.remaining[0].phase, Phase::Finally);
    assert!(report.to_string().contains("`session`: in finally"));
}

#[test]
fn waiting_for_a_child() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let of_work = registry.clone();
    let work = async move {
        let upload = shield(pending::<()>()).named("flush").cancelable(never()).named("upload");
        let _ = upload.registered_in(&of_work).await;
    };
    let (parent, mut run) =
        started(work.cancelable(never()).named("save").registered_in(&registry));
    let report = report(&registry, || assert!(poll_once(run.as_mut()).is_pending()));
    let (outer, inner) = (&report.remaining[0], &report.remaining[1]);
    assert_eq!(inner.phase.to_string(), "in shield \"flush\"");
    let expected = format!("waiting for child {} `upload`", inner.snapshot.id);
    assert_eq!(outer.phase.to_string(), expected);
    let below = format!("operation {} `upload` below {} `save`: ", inner.snapshot.id, parent.id());
    assert!(inner.to_string().starts_with(&below), "{inner}");
    assert!(inner.to_string().contains("parent `save` cancelled: shutting down"), "{inner}");
}

#[test]
fn never_polled() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).named("forgotten").registered_in(&registry);
    let report = report(&registry, || ());
    let stuck = &report.remaining[0];
    assert_eq!((stuck.phase.clone(), stuck.last_poll, stuck.in_poll), (Phase::Pending, None, None));
    assert_eq!(stuck.longest_poll, Duration::ZERO);
    let text = stuck.to_string();
    assert!(text.contains(": not polled yet\n") && text.ends_with("\n  never polled"), "{text}");
    drop(run);
}

#[test]
fn abandoned() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, _run) = running(&registry, "abandoned");
    thread::sleep(Duration::from_millis(30));
    let found = only(&registry);
    assert!(found.last_poll.unwrap() >= Duration::from_millis(30));
    assert!(found.longest_poll < found.last_poll.unwrap());
    assert_eq!((found.in_poll, found.stopping), (None, None));
    assert!(found.to_string().contains("\n  not cancelled\n"));
}

#[test]
fn does_not_yield() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (sender, receiver) = channel::<()>();
    let body = async move {
        // This takes the place of a computation, or of a call that blocks.
        let _ = receiver.recv();
    };
    let run = body.cancelable(never()).named("blocks").registered_in(&registry);
    let thread = thread::spawn(move || support::block_on(run));
    while only(&registry).in_poll.is_none() {
        thread::yield_now();
    }
    let report =
        support::block_on(registry.shutdown(Duration::ZERO).grace(Duration::from_millis(150)));
    let stuck = &report.remaining[0];
    assert_eq!(stuck.phase, Phase::Running);
    assert!(stuck.in_poll.unwrap() >= Duration::from_millis(150));
    assert_eq!(stuck.longest_poll, stuck.in_poll.unwrap());
    assert_eq!(stuck.last_poll, Some(Duration::ZERO));
    let text = report.to_string();
    assert!(text.contains("`blocks`: running\n  does not yield: in one poll for "), "{text}");
    assert!(text.contains("\n  being polled, longest poll "), "{text}");
    drop(sender);
    // The operation ends by itself, because nothing can drop it in the middle of its poll.
    assert_eq!(thread.join().unwrap(), Ok(()));
}

#[test]
fn longest_poll() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let work = async {
        pending_polls(1).await;
        thread::sleep(Duration::from_millis(30));
        pending_polls(9).await;
    };
    let (_, mut run) = started(work.cancelable(never()).registered_in(&registry));
    let before = only(&registry).longest_poll;
    let began = Instant::now();
    assert!(poll_once(run.as_mut()).is_pending());
    let took = began.elapsed();
    assert!(poll_once(run.as_mut()).is_pending());
    let longest = only(&registry).longest_poll;
    assert!(longest >= Duration::from_millis(30) && longest <= took, "{longest:?}, {took:?}");
    assert!(before <= longest);
}

#[test]
fn hooks() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (of_hook, (sender, told)) = (registry.clone(), channel());
    let run = async {}.cancelable(never()).registered_in(&registry).on_complete(move |_| {
        sender.send(only(&of_hook).phase).unwrap();
    });
    assert_eq!(support::block_on(run), Ok(()));
    assert_eq!(told.recv(), Ok(Phase::Hooks));
}
