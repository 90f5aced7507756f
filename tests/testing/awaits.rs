//! `cancel_at_every_await` and `drop_at_every_await`.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use cancelable::prelude::*;
use cancelable::testing::{self, At, Recorder, cancel_at_every_await, drop_at_every_await};
use futures::future::{Either, select};

use super::{HOUR, ms, panic_of};
use crate::support;

/// Work with three awaits.
async fn work(log: &RefCell<Vec<&'static str>>) -> u32 {
    for step in ["one", "two", "three"] {
        timeout(ms(10)).await;
        log.borrow_mut().push(step);
    }
    7
}

#[test]
fn cancelled_before_each_poll() {
    let _watchdog = support::watchdog();
    let log = RefCell::new(Vec::new());
    let mut seen = Vec::new();
    let awaits = cancel_at_every_await(
        |token| work(&log).cancelable(token),
        |at, outcome| seen.push((at, outcome, log.take().len())),
    );
    assert_eq!(awaits, 4);
    let expected = [
        ("cancelled before poll 1", 0),
        ("cancelled before poll 2", 0),
        ("cancelled before poll 3", 1),
        // The last step's limit has not passed.
        ("cancelled before poll 4", 2),
        ("left alone for 4 polls", 3),
    ];
    let told: Vec<_> = seen.iter().map(|(at, _, steps)| (at.to_string(), *steps)).collect();
    assert_eq!(told, expected.map(|(at, steps)| (at.to_owned(), steps)));
    for (number, (at, outcome, _)) in seen.iter().enumerate() {
        assert_eq!(at.is_untouched(), number == 4);
        assert_eq!(at.poll(), (number + 1).min(4));
        match outcome {
            Ok(value) => assert!(at.is_untouched() && *value == 7),
            Err(cancelled) => assert_eq!(cancelled.reason(), &at.reason()),
        }
    }
}

#[test]
fn dropped_before_each_poll() {
    let _watchdog = support::watchdog();
    let log = RefCell::new(Vec::new());
    let mut seen = Vec::new();
    let awaits = drop_at_every_await(
        || work(&log),
        |at, outcome| seen.push((at.to_string(), outcome, log.take().len())),
    );
    assert_eq!(awaits, 4);
    let told = |text: &str, outcome, steps| (text.to_owned(), outcome, steps);
    assert_eq!(
        seen,
        [
            told("dropped before poll 1", None, 0),
            told("dropped before poll 2", None, 0),
            told("dropped before poll 3", None, 1),
            told("dropped before poll 4", None, 2),
            told("left alone for 4 polls", Some(7), 3),
        ]
    );
}

/// Counts its polls, and owns a value until it is dropped.
struct Counted {
    polls: Rc<Cell<usize>>,
    wakes: bool,
    _held: Rc<()>,
}

impl Future for Counted {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polls.set(self.polls.get() + 1);
        if self.polls.get() == 3 {
            return Poll::Ready(());
        }
        if self.wakes {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[test]
fn dropped_before_check() {
    let _watchdog = support::watchdog();
    let held = Rc::new(());
    let polls = RefCell::new(Rc::default());
    let mut numbers = Vec::new();
    let make = || {
        let fresh = Rc::new(Cell::new(0));
        polls.replace(fresh.clone());
        Counted { polls: fresh, wakes: true, _held: held.clone() }
    };
    drop_at_every_await(make, |at: At, _| {
        assert_eq!(Rc::strong_count(&held), 1, "{at}");
        numbers.push((at.poll(), polls.borrow().get()));
    });
    assert_eq!(numbers, [(1, 0), (2, 1), (3, 2), (3, 3)]);
}

/// If nothing wakes the operation, it is cancelled at that await, and the series ends there.
#[test]
fn endless_run() {
    let _watchdog = support::watchdog();
    let serve = |token: CancellationToken| {
        let serve = async {
            timeout(ms(10)).await;
            pending::<()>().await;
        };
        serve.cancelable(token)
    };
    let mut polls = Vec::new();
    let awaits = cancel_at_every_await(serve, |at, outcome| {
        assert_eq!(outcome.unwrap_err().reason(), &at.reason());
        polls.push(at.poll());
    });
    assert_eq!((awaits, polls), (3, vec![1, 2, 3]));

    let polls = Rc::new(Cell::new(0));
    let make = || {
        polls.set(0);
        Counted { polls: polls.clone(), wakes: false, _held: Rc::default() }
    };
    let mut seen = 0;
    assert_eq!(drop_at_every_await(make, |_, _| seen += 1), 2);
    assert_eq!(seen, 2);
}

#[test]
fn own_clock() {
    let _watchdog = support::watchdog();
    let times = RefCell::new(Vec::new());
    let make = |token: CancellationToken| {
        let run = timeout(HOUR).cancelable(token).named("nap");
        (times.borrow_mut()).push(run.operation());
        run
    };
    cancel_at_every_await(make, |_, _| {});
    let elapsed: Vec<_> = times.borrow().iter().map(Operation::elapsed).collect();
    assert_eq!(elapsed, [ms(0), ms(0), HOUR]);
    // If time is paused already, the operations use that clock.
    let time = testing::pause();
    cancel_at_every_await(|token| timeout(HOUR).cancelable(token), |_, _| {});
    assert_eq!(time.elapsed(), HOUR);
}

#[test]
fn uncancellable_run_panics() {
    let _watchdog = support::watchdog();
    // Stays pending although it is cancelled.
    let stuck = |token: CancellationToken| async move {
        timeout(ms(1)).await;
        if token.is_cancelled() {
            pending::<()>().await;
        }
    };
    let said = panic_of(|| cancel_at_every_await(stuck, |_, ()| {}));
    assert!(said.starts_with("cancelled before poll 1, nothing will ever wake"), "{said}");
}

#[test]
fn too_many_polls_panic() {
    let _watchdog = support::watchdog();
    let ticks = || async {
        loop {
            timeout(ms(1)).await;
        }
    };
    let said = panic_of(|| drop_at_every_await(ticks, |_, _: Option<()>| {}));
    assert!(said.contains("still pending after 1000 polls"), "{said}");
}

#[test]
fn check_panics() {
    let _watchdog = support::watchdog();
    let mut checks = 0;
    let said = panic_of(|| {
        drop_at_every_await(
            || work_of(3),
            |at, _| {
                checks += 1;
                assert!(at.poll() < 2, "no second");
            },
        )
    });
    assert_eq!((said.as_str(), checks), ("no second", 2));
    drop(testing::pause());
}

async fn work_of(awaits: u32) {
    for _ in 0..awaits {
        timeout(ms(1)).await;
    }
}

/// Pending, with a limit on the clock and a waker in the token.
async fn waits(token: &CancellationToken) {
    let nap = std::pin::pin!(timeout(ms(10)));
    if let Either::Right(_) = select(nap, token.cancelled()).await {
        unreachable!("nobody cancels it");
    }
}

/// An operation with a shield, a child, clean-up, and perhaps a grace period. Wherever it is cancelled
/// or dropped, it has one ending, its clean-up has run or is reported lost, and it leaves nothing behind.
#[test]
fn full_operation() {
    let _watchdog = support::watchdog();
    for grace in [None, Some(ms(0)), Some(ms(15)), Some(HOUR)] {
        let held = Arc::new(());
        let idle = CancellationToken::new();
        let made = RefCell::new(None);
        let make = |token: CancellationToken| {
            let work = async {
                let _held = held.clone();
                waits(&idle).await;
                shield(async {
                    waits(&idle).await;
                    shield(waits(&idle)).await;
                })
                .await;
                let below = async { waits(&idle).await }.cancelable(never()).named("below");
                let _ = below.await;
                waits(&idle).await;
                7
            };
            let events = Recorder::new();
            let lost = Arc::new(std::sync::Mutex::new(0));
            let (cleaned, tells) = (Rc::new(Cell::new(0)), lost.clone());
            made.replace(Some((events.clone(), cleaned.clone(), lost)));
            let run = work.cancelable(any_of((token, timeout(HOUR))));
            let run = match grace {
                Some(grace) => run.grace(grace),
                None => run,
            };
            let (held, idle) = (&held, &idle);
            let run = run
                .finally(move |_| async move {
                    let _held = held.clone();
                    waits(idle).await;
                    cleaned.set(cleaned.get() + 1);
                })
                .on_clean_up_lost(move |_| *tells.lock().unwrap() += 1);
            events.watch(run)
        };
        let check = |at: At, dropped: bool| {
            let (events, cleaned, lost) = made.take().unwrap();
            let lines = events.lines();
            let lost = *lost.lock().unwrap();
            assert_eq!(Arc::strong_count(&held), 1, "{at}");
            if dropped && at.poll() == 1 {
                assert_eq!((lines.len(), cleaned.get(), lost), (0, 0, 0), "{at}");
                return;
            }
            assert_eq!(lines.len(), 2, "{at}: {lines:?}");
            assert_eq!(lines[0], "started", "{at}");
            assert_eq!(cleaned.get() + lost, 1, "{at}");
            assert!(dropped || lost == 0, "{at}");
        };
        let cancelled = cancel_at_every_await(make, |at, outcome| {
            check(at, false);
            assert!(outcome.is_err() || at.poll() > 1, "{at}");
            assert!(outcome.is_ok() || !at.is_untouched(), "{at}");
        });
        let dropped = drop_at_every_await(
            || make(CancellationToken::new()),
            |at, outcome| {
                check(at, outcome.is_none());
            },
        );
        assert_eq!((cancelled, dropped), (7, 7), "six awaits: the clean-up has one");
    }
}
