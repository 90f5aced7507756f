//! `cancel_at_poll`, and the maximum number of polls.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::task::Poll;

use cancelable::prelude::*;
use cancelable::testing::{self, cancel_at_every_await, cancel_at_poll, drop_at_every_await};

use super::{HOUR, ms, panic_of};
use crate::support;

async fn naps(number: usize, taken: &Cell<usize>) -> usize {
    for _ in 0..number {
        timeout(ms(10)).await;
        taken.set(taken.get() + 1);
    }
    number
}

#[test]
fn same_place_as_in_series() {
    let _watchdog = support::watchdog();
    let (mut places, taken) = (0, Cell::new(0));
    cancel_at_every_await(
        |token| {
            taken.set(0);
            naps(3, &taken).cancelable(token)
        },
        |at, outcome| {
            if at.is_untouched() {
                return;
            }
            let once = Cell::new(0);
            let alone = cancel_at_poll(at.poll(), |token| naps(3, &once).cancelable(token));
            assert_eq!((alone, once.get()), (outcome, taken.get()), "{at}");
            places += 1;
        },
    );
    assert_eq!(places, 4);
}

#[test]
fn at_poll_uses_paused_clock() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let taken = Cell::new(0);
    let make = |token| {
        let run = naps(3, &taken).cancelable(token);
        run.finally(|_| async {
            timeout(HOUR).await;
        })
    };
    let outcome = cancel_at_poll(3, make);
    assert_eq!(outcome.unwrap_err().to_string(), "cancelled: cancelled before poll 3");
    assert_eq!((time.elapsed(), taken.get()), (ms(10) + HOUR, 1));
}

#[test]
fn missing_poll_panics() {
    let _watchdog = support::watchdog();
    let taken = Cell::new(0);
    let said = panic_of(|| cancel_at_poll(0, |token| naps(1, &taken).cancelable(token)));
    assert!(said.contains("counted from 1"), "{said}");
    // Two polls, not three.
    let said = panic_of(|| cancel_at_poll(3, |token| naps(1, &taken).cancelable(token)));
    assert!(said.contains("before poll 3") && said.ends_with("ends in poll 2"), "{said}");
    let said = panic_of(|| cancel_at_poll(3, |token| pending::<()>().cancelable(token)));
    assert!(said.contains("before poll 3") && said.ends_with("after poll 1"), "{said}");
    let said = panic_of(|| cancel_at_poll(1, |_| pending::<()>()));
    assert!(said.starts_with("cancelled before poll 1, nothing will ever wake"), "{said}");
    // Time has resumed.
    drop(testing::pause());
}

/// Ready at poll number `times`. Wakes itself in each poll before that.
async fn polled(times: usize) {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls == times { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[test]
fn at_most_1000_polls() {
    let _watchdog = support::watchdog();
    let cancelled = |times| {
        let mut left_alone = 0;
        let make = |token| polled(times).cancelable(token);
        let awaits =
            cancel_at_every_await(make, |at, _| left_alone += usize::from(at.is_untouched()));
        (awaits, left_alone)
    };
    let dropped = |times| {
        let mut left_alone = 0;
        let awaits = drop_at_every_await(
            || polled(times),
            |_, done| left_alone += usize::from(done.is_some()),
        );
        (awaits, left_alone)
    };
    assert_eq!((cancelled(1000), dropped(1000)), ((1000, 1), (1000, 1)));
    for said in [panic_of(|| cancelled(1001)), panic_of(|| dropped(1001))] {
        assert!(said.contains("still pending after 1000 polls"), "{said}");
    }
}
