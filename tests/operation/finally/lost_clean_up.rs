//! Operations that are dropped before their clean-up has finished: `on_clean_up_lost` and spawners.

use std::future::pending;
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};

use cancelable::prelude::*;

use crate::support::{self, Gate, Log, Tally, panic_of, poll_once};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

fn spawner() -> (Sender<Task>, Receiver<Task>) {
    channel()
}

#[test]
fn drop_in_work_or_clean_up_is_reported() {
    let _watchdog = support::watchdog();
    for in_clean_up in [false, true] {
        let (gate, log) = (Gate::new(), Log::new());
        let told = log.clone();
        let run = gate
            .pass()
            .cancelable(never())
            .finally(|_| async {
                let _held = log.on_drop("clean-up gone");
                pending::<()>().await;
            })
            .on_clean_up_lost(|_| panic_any("contained"))
            .on_clean_up_lost(move |operation| {
                told.note(format_args!("lost: {} {:?}", operation.status(), operation.reason()));
            });
        let operation = run.operation();
        log.watch(&operation);
        let mut run = Box::pin(run);
        if in_clean_up {
            gate.open();
        }
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(log.take(), [""; 0]);
        drop(run);
        let seen = log.take();
        let gone = if in_clean_up { &["clean-up gone"][..] } else { &[] };
        assert_eq!(seen[..gone.len()], *gone);
        let told = ["hook: dropped before it was done", "lost: cancelled Some(Dropped)"];
        assert_eq!(seen[gone.len()..], told);
        assert_eq!(operation.status(), Status::Cancelled);
    }
}

#[test]
fn nothing_lost_is_not_reported() {
    let _watchdog = support::watchdog();
    let lost = |log: &Log| {
        let log = log.clone();
        move |_: &Operation| log.note("lost")
    };
    let log = Log::new();
    let done = async { 7 }.cancelable(never()).finally(|_| async {});
    assert_eq!(support::block_on(done.on_clean_up_lost(lost(&log))), Ok(7));

    let panicked = async { panic_any("on fire") }.cancelable(never()).finally(|_| async {});
    let panicked = panicked.on_clean_up_lost(lost(&log));
    assert_eq!(panic_of(|| support::block_on(panicked).is_ok()), "on fire");

    drop(pending::<()>().cancelable(never()).finally(|_| async {}).on_clean_up_lost(lost(&log)));

    let mut nothing = Box::pin(pending::<()>().cancelable(never()).on_clean_up_lost(lost(&log)));
    assert!(poll_once(nothing.as_mut()).is_pending());
    drop(nothing);

    let taken = pending::<()>().cancelable(never()).finally_or_spawn(|_| {}, |_| async {});
    let mut taken = Box::pin(taken.on_clean_up_lost(lost(&log)));
    assert!(poll_once(taken.as_mut()).is_pending());
    drop(taken);
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn lost_with_the_outer_race() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let told = log.clone();
    let inner = pending::<()>()
        .cancelable(never())
        .finally(|_| async {})
        .on_clean_up_lost(move |_| told.note("lost"));
    let mut outer = Box::pin(async { inner.await.is_ok() }.cancelable(never()));
    assert!(poll_once(outer.as_mut()).is_pending());
    drop(outer);
    assert_eq!(log.take(), ["lost"]);
}

#[test]
fn spawner_is_unused_without_a_drop() {
    let _watchdog = support::watchdog();
    let (spawn, spawned) = spawner();
    let log = Log::new();
    let note = log.clone();
    let run = async { 7 }.cancelable(never()).finally_or_spawn(
        move |task| spawn.send(task).unwrap(),
        move |outcome| {
            note.note(format_args!("{outcome:?}"));
            async move {
                futures::pending!();
                note.note("done");
            }
        },
    );
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(poll_once(run.as_mut()).is_ready());
    drop(run);
    assert_eq!(log.take(), ["Ok(7)", "done"]);
    assert!(spawned.try_recv().is_err(), "nothing was spawned");
}

#[test]
fn drop_in_the_work_spawns_all() {
    let _watchdog = support::watchdog();
    let (spawn, spawned) = spawner();
    let log = Log::new();
    let note = log.clone();
    let held = log.on_drop("work gone");
    let work = async move {
        let _held = held;
        pending::<()>().await;
    };
    let run = work.cancelable(never()).finally_or_spawn(
        move |task| spawn.send(task).unwrap(),
        move |outcome| {
            note.note(outcome.as_ref().unwrap_err());
            async move { note.note("done") }
        },
    );
    let operation = run.operation();
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(log.take(), ["work gone", "dropped before it was done"]);
    assert_eq!(operation.status(), Status::Cancelled);
    support::block_on(spawned.try_recv().unwrap());
    assert_eq!(log.take(), ["done"]);
    assert!(spawned.try_recv().is_err(), "once");
}

#[test]
fn drop_in_clean_up_spawns_the_rest() {
    let _watchdog = support::watchdog();
    let (spawn, spawned) = spawner();
    let (gate, log) = (Gate::new(), Log::new());
    let (note, pass) = (log.clone(), gate.pass());
    let run = async { 7 }.cancelable(never()).finally_or_spawn(
        move |task| spawn.send(task).unwrap(),
        move |_| async move {
            note.note("first half");
            pass.await;
            note.note("second half");
        },
    );
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(log.take(), ["first half"]);
    gate.open();
    support::block_on(spawned.try_recv().unwrap());
    assert_eq!(log.take(), ["second half"]);
}

#[test]
fn g09_each_goes_to_the_spawner_in_order() {
    let _watchdog = support::watchdog();
    // Dropped in its work, then in the first, the second and the third clean-up.
    for (polls, left) in
        [(1, &["a", "b", "c"][..]), (2, &["a", "b", "c"]), (3, &["b", "c"]), (4, &["c"])]
    {
        let (spawn, spawned) = spawner();
        let log = Log::new();
        let part = |name: &'static str| {
            let log = log.clone();
            move |_: &Result<(), Cancelled>| async move {
                futures::pending!();
                log.note(name);
            }
        };
        let hand = |name: &'static str| {
            let (spawn, log) = (spawn.clone(), log.clone());
            move |task| {
                log.note(name);
                spawn.send(task).unwrap();
            }
        };
        let run = async { futures::pending!() }
            .cancelable(never())
            .finally_or_spawn(hand("a"), part("a"))
            .finally_or_spawn(hand("b"), part("b"))
            .finally_or_spawn(hand("c"), part("c"));
        let mut run = Box::pin(run);
        for _ in 0..polls {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        log.take();
        drop(run);
        drop(spawn);
        assert_eq!(log.take(), left, "dropped after {polls}");
        for mut task in spawned {
            while poll_once(task.as_mut()).is_pending() {}
        }
        assert_eq!(log.take(), left, "each is the one that was handed on then");
    }
}

#[test]
fn g09_hook_runs_only_if_clean_up_is_lost() {
    let _watchdog = support::watchdog();
    for (polls, lost) in [(1, 1), (2, 1), (3, 0)] {
        let log = Log::new();
        let [handed, told] = [(); 2].map(|()| log.clone());
        let run = async { futures::pending!() }
            .cancelable(never())
            .finally(|_| async { futures::pending!() })
            .finally_or_spawn(move |_| handed.note("handed on"), |_| pending())
            .on_clean_up_lost(move |_| told.note("lost"));
        let mut run = Box::pin(run);
        for _ in 0..polls {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        drop(run);
        assert_eq!(log.take(), ["handed on", "lost"][..=lost], "dropped after {polls}");
    }
}

#[test]
fn g13_clean_up_is_lost_if_a_source_panics() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let told = log.clone();
    let run = pending::<()>()
        .cancelable(async { panic_any("no such source") })
        .finally(|_| async { unreachable!() })
        .on_clean_up_lost(move |operation| told.note(operation.status()));
    let operation = run.operation();
    assert_eq!(panic_of(|| support::block_on(run).is_ok()), "no such source");
    assert_eq!(operation.reason(), Some(Reason::Dropped));
    assert_eq!(log.take(), ["cancelled"]);
}

#[test]
fn unpolled_spawns_nothing() {
    let _watchdog = support::watchdog();
    let (spawn, spawned) = spawner();
    let tally = Tally::new();
    let run = tally
        .ready_at(1)
        .cancelable(never())
        .finally_or_spawn(move |task| spawn.send(task).unwrap(), |_| async { unreachable!() });
    drop(run);
    assert!(spawned.try_recv().is_err());
    assert_eq!(tally.drops(), 1);
}

#[test]
fn panicked_clean_up_is_not_spawned() {
    let _watchdog = support::watchdog();
    for in_future in [false, true] {
        let (spawn, spawned) = spawner();
        let run = async { 7 }.cancelable(never()).finally_or_spawn(
            move |task| spawn.send(task).unwrap(),
            move |_| {
                assert!(in_future, "no clean-up");
                async { panic_any("no clean-up") }
            },
        );
        assert_eq!(panic_of(|| support::block_on(run).is_ok()), "no clean-up");
        assert!(spawned.try_recv().is_err());
    }
}

#[test]
fn panic_in_a_spawner_is_contained() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = pending::<()>()
        .cancelable(never())
        .finally_or_spawn(|_| panic_any("no runtime"), |_| async {});
    log.watch(&run.operation());
    let said = panic_of(|| {
        let mut run = Box::pin(run);
        assert!(poll_once(run.as_mut()).is_pending());
        // Unwinding drops the operation. A panic that escapes its destructor would abort the
        // process.
        panic_any("outside");
    });
    assert_eq!(said, "outside");
    assert_eq!(log.take(), ["hook: dropped before it was done"]);
}

#[test]
fn spawned_clean_up_is_independent() {
    let _watchdog = support::watchdog();
    let (spawn, spawned) = spawner();
    let run = pending::<()>().cancelable(never()).finally_or_spawn(
        move |task| spawn.send(task).unwrap(),
        |_| async { assert!(Operation::current().is_none()) },
    );
    let operation = run.operation();
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert!(operation.status().is_final());
    let mut task = pin!(spawned.recv().unwrap());
    assert!(poll_once(task.as_mut()).is_ready());
}
