//! Guarantees 1 and 2: how the work and its source race.

use std::future::{pending, ready};
use std::pin::pin;
use std::task::Poll;
use std::thread;

use cancelable::prelude::*;

use crate::support::{
    self, Log, Switch, Tally, Wakes, lost, on_every_executor, poll_once, won, work,
};

/// Races work that is ready at once against a source that has fired.
#[track_caller]
fn beats_work_that_is_ready<S: Source>(source: S) -> Reason {
    let tally = Tally::new();
    let wakes = Wakes::new();
    let mut race = pin!(tally.ready_at(1).cancelable(source));
    let reason = lost(wakes.poll(race.as_mut()));
    assert_eq!((tally.polls(), tally.drops()), (0, 1), "dropped, without ever being polled");
    assert_eq!(wakes.count(), 0);
    reason
}

#[test]
fn g01_fired_source_wins() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("early");
    let early = Reason::manual("early");

    assert_eq!(beats_work_that_is_ready(&token), early);
    assert_eq!(beats_work_that_is_ready(token.clone()), early);
    assert_eq!(beats_work_that_is_ready(token.cancelled()), early);
    assert_eq!(beats_work_that_is_ready(token.clone().cancelled_owned()), early);
    assert_eq!(beats_work_that_is_ready(token.child_token()), Reason::parent(early.clone()));
    assert_eq!(beats_work_that_is_ready(CancellationToken::linked([&token])), early);
    assert_eq!(beats_work_that_is_ready(ready(Reason::Disconnected)), Reason::Disconnected);
    assert_eq!(beats_work_that_is_ready(ready(7).because("seven")), Reason::manual("seven"));
}

#[test]
fn g01_composed_sources() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("early");
    let early = Reason::manual("early");
    let both = Reason::all([early.clone(), early.clone()]);

    assert_eq!(beats_work_that_is_ready(any_of((never(), &token))), early);
    assert_eq!(beats_work_that_is_ready(any_of([&token, &token])), early);
    assert_eq!(beats_work_that_is_ready(any_of(vec![&token; 40])), early);
    assert_eq!(beats_work_that_is_ready(never() | &token), early);
    assert_eq!(beats_work_that_is_ready(all_of((&token, &token))), both);
    assert_eq!(beats_work_that_is_ready(all_of([&token, &token])), both);
    assert_eq!(beats_work_that_is_ready(all_of(vec![&token; 40])).leaves().len(), 40);
    assert_eq!(beats_work_that_is_ready(any_of((never(), all_of((&token, &token))))), both);
}

#[cfg(feature = "time")]
#[test]
fn g01_time_limits_and_conditions() {
    use std::time::{Duration, Instant};

    let _watchdog = support::watchdog();
    let zero = Reason::timeout(Duration::ZERO);
    assert_eq!(beats_work_that_is_ready(timeout(Duration::ZERO)), zero);
    assert_eq!(beats_work_that_is_ready(deadline(Instant::now())), zero);
    assert_eq!(beats_work_that_is_ready(condition(|| true).named("c")), Reason::condition("c", 1));
    let met = condition_async(async || true).named("c");
    assert_eq!(beats_work_that_is_ready(met), Reason::condition("c", 1));
}

#[cfg(all(unix, feature = "signal"))]
#[test]
fn g01_signal_before_the_first_poll() {
    use rustix::process::{Signal as OsSignal, getpid, kill_process};

    let _watchdog = support::watchdog();
    let source = signal(Signal::Usr1).unwrap();
    let witness = signal(Signal::Usr1).unwrap();
    kill_process(getpid(), OsSignal::USR1).unwrap();
    assert_eq!(support::block_on(witness), Reason::signal(Signal::Usr1));
    assert_eq!(beats_work_that_is_ready(source), Reason::signal(Signal::Usr1));
}

#[test]
fn g01_first_poll_counts() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let tally = Tally::new();
    let mut race = pin!(tally.ready_at(1).cancelable(&token));
    token.cancel_with("in between");
    assert_eq!(lost(poll_once(race.as_mut())), Reason::manual("in between"));
    assert_eq!(tally.polls(), 0);
}

#[test]
fn g01_every_way_to_race() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel();

    let tally = Tally::new();
    assert!(poll_once(pin!(token.run_until_cancelled(tally.ready_at(1)))).is_ready());
    assert_eq!((tally.polls(), tally.drops()), (0, 1));

    let polled = Log::new();
    let fallible = async {
        polled.note("polled");
        Ok::<(), Cancelled>(())
    };
    let Poll::Ready(outcome) = poll_once(pin!(fallible.try_cancelable(&token))) else {
        panic!("still pending");
    };
    assert!(outcome.unwrap_err().is_manual());
    assert!(polled.take().is_empty());
}

#[test]
fn g02_source_polled_first() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let source = async {
        work(|_| {
            log.note("source");
            Poll::<()>::Pending
        })
        .await;
        Reason::Dropped
    };
    let worker = work(|_| {
        log.note("work");
        Poll::<()>::Pending
    });
    let mut race = pin!(worker.cancelable(source));

    assert!(poll_once(race.as_mut()).is_pending());
    // The first poll uses a probe; the source registers once the work is pending.
    assert_eq!(log.take(), ["source", "work", "source"]);
    for _ in 0..3 {
        assert!(poll_once(race.as_mut()).is_pending());
        assert_eq!(log.take(), ["source", "work"]);
    }
}

#[test]
fn g02_value_wins_a_tie() {
    let _watchdog = support::watchdog();
    for ready_at in 2..5 {
        let token = CancellationToken::new();
        let tally = Tally::new();
        let mut race = pin!(tally.ready_at(ready_at).cancelable(&token));
        for _ in 1..ready_at {
            assert!(poll_once(race.as_mut()).is_pending());
        }
        token.cancel();
        assert_eq!(won(poll_once(race.as_mut())), ready_at);
        assert_eq!((tally.polls(), tally.drops()), (ready_at, 1));
    }
}

#[test]
fn g02_one_last_poll() {
    let _watchdog = support::watchdog();
    for polls in 1..5 {
        let token = CancellationToken::new();
        let tally = Tally::new();
        // The work would be ready one poll later.
        let mut race = pin!(tally.ready_at(polls + 2).cancelable(&token));
        for _ in 0..polls {
            assert!(poll_once(race.as_mut()).is_pending());
        }
        token.cancel_with("late");
        assert_eq!(lost(poll_once(race.as_mut())), Reason::manual("late"));
        assert_eq!((tally.polls(), tally.drops()), (polls + 1, 1));
    }
}

#[test]
fn g02_custom_source() {
    let _watchdog = support::watchdog();
    let switch = Switch::new();
    let tally = Tally::new();
    let wakes = Wakes::new();
    let mut race = pin!(tally.ready_at(3).cancelable(switch.source("other")));
    assert!(wakes.poll(race.as_mut()).is_pending());
    assert!(wakes.poll(race.as_mut()).is_pending());
    // The source was last polled with the waker of the task, not with a probe.
    switch.turn_on();
    assert_eq!(wakes.count(), 1);
    assert_eq!(won(wakes.poll(race.as_mut())), 3);

    let switch = Switch::new();
    let wakes = Wakes::new();
    let mut race = pin!(pending::<()>().cancelable(switch.source("other")));
    assert!(wakes.poll(race.as_mut()).is_pending());
    switch.turn_on();
    assert_eq!(wakes.count(), 1, "woken after the first poll already");
    assert_eq!(lost(wakes.poll(race.as_mut())), Reason::manual("other"));
}

#[test]
fn g02_source_fired_in_the_first_poll_is_seen() {
    let _watchdog = support::watchdog();
    // The work is ready at its last poll, so its value wins.
    let token = CancellationToken::new();
    let mut polls = 0;
    let worker = work(|poll| {
        polls = poll;
        token.cancel_with("from within");
        if poll == 2 { Poll::Ready("value") } else { Poll::Pending }
    });
    assert_eq!(won(poll_once(pin!(worker.cancelable(&token)))), "value");
    assert_eq!(polls, 2);

    // The work is not ready at its last poll.
    let token = CancellationToken::new();
    let mut polls = 0;
    let worker = work(|poll| {
        polls = poll;
        token.cancel_with("from within");
        if poll == 3 { Poll::Ready("value") } else { Poll::Pending }
    });
    let reason = lost(poll_once(pin!(worker.cancelable(&token))));
    assert_eq!(reason, Reason::manual("from within"));
    assert_eq!(polls, 2);
}

#[test]
fn g02_source_fired_in_a_later_poll_wakes() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let wakes = Wakes::new();
    let mut polls = 0;
    let worker = work(|poll| {
        polls = poll;
        if poll == 2 {
            token.cancel_with("from within");
        }
        Poll::<()>::Pending
    });
    {
        let mut race = pin!(worker.cancelable(&token));
        assert!(wakes.poll(race.as_mut()).is_pending());
        assert_eq!(wakes.count(), 0);
        assert!(wakes.poll(race.as_mut()).is_pending());
        assert_eq!(wakes.count(), 1);
        assert_eq!(lost(wakes.poll(race.as_mut())), Reason::manual("from within"));
    }
    assert_eq!(polls, 3);
}

#[test]
fn g02_work_that_cancels_itself_wins() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let worker = async {
        token.cancel();
        7
    };
    assert_eq!(won(poll_once(pin!(worker.cancelable(&token)))), 7);
    assert!(token.is_cancelled());
}

#[test]
fn g02_cancellation_wakes_once() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let wakes = Wakes::new();
    let mut race = pin!(pending::<()>().cancelable(&token));
    for _ in 0..3 {
        assert!(wakes.poll(race.as_mut()).is_pending());
    }
    assert_eq!(wakes.count(), 0);
    token.cancel();
    token.cancel();
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(race.as_mut())), Reason::Manual { message: None });
}

#[cfg(feature = "time")]
#[test]
fn g02_timeout() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let clock = support::Clock::start();
    let wakes = Wakes::new();
    let limit = Duration::from_millis(5);
    let mut race = pin!(Tally::new().ready_at(2).cancelable(timeout(limit)));
    assert!(wakes.poll(race.as_mut()).is_pending());
    clock.pass(limit);
    assert_eq!(wakes.count(), 1);
    assert_eq!(won(wakes.poll(race.as_mut())), 2);

    let wakes = Wakes::new();
    let tally = Tally::new();
    let mut race = pin!(tally.ready_at(3).cancelable(timeout(limit)));
    assert!(wakes.poll(race.as_mut()).is_pending());
    clock.pass(limit);
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(race.as_mut())), Reason::timeout(limit));
    assert_eq!(tally.polls(), 2);
}

on_every_executor! {
    async fn g02_cancelled_from_another_thread() {
        let token = CancellationToken::new();
        let remote = token.clone();
        let (polled, is_polled) = std::sync::mpsc::channel();
        let canceller = thread::spawn(move || {
            is_polled.recv().unwrap();
            remote.cancel_with("from afar")
        });
        let sleeper = async {
            polled.send(()).unwrap();
            pending::<()>().await
        };
        let cancelled = sleeper.cancelable(&token).await.unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::manual("from afar"));
        assert!(canceller.join().unwrap());
    }
}
