//! Sections that a spawner takes over.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;

use cancelable::prelude::*;

use crate::support::{self, Gate, Log, lost, poll_once, won};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Stores the sections that are handed to its spawners.
#[derive(Clone, Default)]
struct Background(Rc<RefCell<Vec<Task>>>);

impl Background {
    fn spawner(&self) -> impl FnOnce(Task) + use<> {
        let tasks = self.0.clone();
        move |task| tasks.borrow_mut().push(task)
    }

    fn take(&self) -> Option<Task> {
        let mut tasks = self.0.borrow_mut();
        assert!(tasks.len() < 2);
        tasks.pop()
    }
}

/// Work that waits for the gate in a section.
fn section(gate: &Gate, log: &Log) -> impl Future<Output = u8> + Send + use<> {
    let (gate, log) = (gate.clone(), log.clone());
    async move {
        log.note("begins");
        gate.pass().await;
        log.note("ends");
        7
    }
}

#[test]
fn g10_dropped_section_goes_on_in_the_background() {
    let _watchdog = support::watchdog();
    let (gate, log, background) = (Gate::new(), Log::new(), Background::default());
    let mut run = Box::pin(shield(section(&gate, &log)).or_spawn(background.spawner()));
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    let mut task = background.take().expect("the section had begun");
    assert!(poll_once(task.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(task.as_mut()).is_ready());
    assert_eq!(log.take(), ["begins", "ends"]);
}

#[test]
fn nothing_is_left_of_other_sections() {
    let _watchdog = support::watchdog();
    let (gate, log, background) = (Gate::new(), Log::new(), Background::default());
    drop(shield(section(&gate, &log)).or_spawn(background.spawner()));
    assert!(background.take().is_none(), "it had not begun");

    let mut panics = Box::pin(shield(async { panic!("on fire") }).or_spawn(background.spawner()));
    let polled = catch_unwind(AssertUnwindSafe(|| poll_once(panics.as_mut())));
    assert!(polled.is_err());
    drop(panics);
    assert!(background.take().is_none(), "it had panicked");

    gate.open();
    let mut run = Box::pin(shield(section(&gate, &log)).or_spawn(background.spawner()));
    assert!(poll_once(run.as_mut()).is_ready());
    drop(run);
    assert!(background.take().is_none(), "it had ended");

    // A section that does not begin, because the work is about to be dropped.
    let token = CancellationToken::new();
    let (entry, spawner) = (Gate::new(), background.spawner());
    let (waiting, late) = (entry.pass(), section(&gate, &log));
    let work = async {
        waiting.await;
        shield(late).or_spawn(spawner).await
    };
    let mut race = Box::pin(work.cancelable(&token));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel();
    entry.open();
    let _ = lost(poll_once(race.as_mut()));
    drop(race);
    assert!(background.take().is_none(), "it did not begin");
    assert_eq!(log.take(), ["begins", "ends"], "by the one that had ended");
}

#[test]
fn races_wait_for_it() {
    let _watchdog = support::watchdog();
    let (gate, log, background) = (Gate::new(), Log::new(), Background::default());
    let token = CancellationToken::new();
    let work = shield(section(&gate, &log)).or_spawn(background.spawner());
    let mut race = Box::pin(work.cancelable(&token));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(poll_once(race.as_mut()).is_pending());
    gate.open();
    assert_eq!(lost(poll_once(race.as_mut())), Reason::manual("stop"));
    assert_eq!(log.take(), ["begins", "ends"]);
    assert!(background.take().is_none());

    let work = shield(section(&gate, &log)).or_spawn(background.spawner());
    assert_eq!(won(poll_once(pin!(work.cancelable(never())))), 7);
}

#[test]
fn the_rest_is_a_section_of_an_operation_around_it() {
    let _watchdog = support::watchdog();
    let (gate, log, background) = (Gate::new(), Log::new(), Background::default());
    let (noted, opened) = (log.clone(), gate.clone());
    let section = async move {
        opened.pass().await;
        let operation = Operation::current().unwrap();
        assert!(operation.is_cancelled() && operation.check().is_ok());
        noted.note("goes on");
    };
    let spawner = background.spawner();
    let run = scope(never(), async move |operation: Operation| {
        shield(section).or_spawn(|rest| spawner(Box::pin(operation.in_scope(rest)))).await;
    });
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    gate.open();
    assert!(poll_once(background.take().unwrap().as_mut()).is_ready());
    assert_eq!(log.take(), ["goes on"]);
}

#[test]
fn panic_of_the_spawner_is_contained() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let run = shield(section(&gate, &log)).or_spawn(|_| panic!("no executor"));
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
}

#[cfg(feature = "time")]
#[test]
fn limit_answers_while_the_section_goes_on() {
    let _watchdog = support::watchdog();
    let (gate, log, background) = (Gate::new(), Log::new(), Background::default());
    let token = CancellationToken::new();
    let saving = shield_for(std::time::Duration::ZERO, section(&gate, &log));
    let work = saving.or_spawn(background.spawner());
    let mut race = Box::pin(work.cancelable(&token));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel_with("too late");
    assert_eq!(lost(poll_once(race.as_mut())), Reason::manual("too late"));
    gate.open();
    assert!(poll_once(background.take().unwrap().as_mut()).is_ready());
    assert_eq!(log.take(), ["begins", "ends"]);
}
