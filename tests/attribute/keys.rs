//! Each key except `signal`.

use std::cell::Cell;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cancelable::prelude::*;

use crate::support::{self, Clock, Tally, Wakes, block_on, on_every_executor, poll_once};

/// Long enough that even a busy machine polls twice within it.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

#[cancelable(timeout = "1ms500us")]
async fn literal_limit() -> Result<(), Cancelled> {
    pending().await
}

on_every_executor! {
    async fn timeout_from_text() {
        let cancelled = literal_limit().await.unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::timeout(Duration::from_micros(1500)));
    }
}

#[test]
fn timeout_from_expression() {
    #[cancelable(timeout = limit * 2)]
    async fn run(limit: Duration) -> Result<Duration, Cancelled> {
        pending::<()>().await;
        Ok(limit)
    }

    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(1);
    assert_eq!(block_on(run(limit)).unwrap_err().reason(), &Reason::timeout(limit * 2));
}

#[test]
fn zero_timeout() {
    #[cancelable(timeout = limit)]
    async fn run(limit: Duration, runs: &Cell<u32>) -> Result<(), Cancelled> {
        runs.set(runs.get() + 1);
        Ok(())
    }

    let _watchdog = support::watchdog();
    let runs = Cell::new(0);
    assert!(block_on(run(Duration::ZERO, &runs)).unwrap_err().is_timeout());
    assert_eq!(runs.get(), 0);
    assert_eq!(block_on(run(LONG, &runs)), Ok(()));
    assert_eq!(runs.get(), 1);
}

#[test]
fn clock_starts_at_first_poll() {
    #[cancelable(timeout = SHORT)]
    async fn run() -> Result<(), Cancelled> {
        pending().await
    }

    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut run = pin!(run());
    clock.pass(SHORT * 2);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(run).is_ready());
}

#[test]
fn deadline_from_expression() {
    #[cancelable(deadline = end)]
    async fn run(end: Instant, tally: &Arc<Tally>) -> Result<usize, Cancelled> {
        Ok(tally.ready_at(2).await)
    }

    let _watchdog = support::watchdog();
    let tally = Tally::new();
    assert!(block_on(run(Instant::now(), &tally)).unwrap_err().is_timeout());
    assert_eq!(tally.polls(), 0);

    let mut later = pin!(run(Instant::now() + LONG, &tally));
    assert!(poll_once(later.as_mut()).is_pending());
    assert_eq!(block_on(later), Ok(2));
}

#[test]
fn condition_from_closure() {
    #[cancelable(condition = || full.load(Ordering::SeqCst))]
    async fn run(full: &AtomicBool) -> Result<bool, Cancelled> {
        Ok(full.load(Ordering::SeqCst))
    }

    let _watchdog = support::watchdog();
    let full = AtomicBool::new(false);
    assert_eq!(block_on(run(&full)), Ok(false));
    full.store(true, Ordering::SeqCst);
    assert_eq!(block_on(run(&full)).unwrap_err().reason(), &Reason::condition("condition", 1));
}

#[test]
fn condition_from_function() {
    fn always() -> bool {
        true
    }

    #[cancelable(condition = always)]
    async fn run() -> Result<(), Cancelled> {
        Ok(())
    }

    let _watchdog = support::watchdog();
    assert!(block_on(run()).unwrap_err().is_condition());
}

#[test]
fn source_from_into_future() {
    #[cancelable(source = first, source = std::future::ready(Reason::Disconnected))]
    async fn run<S: Source>(first: S) -> Result<(), Cancelled> {
        Ok(())
    }

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert!(block_on(run(&token)).unwrap_err().is_disconnected());
    assert!(block_on(run(never() | never())).unwrap_err().is_disconnected());
    token.cancel_with("first");
    assert!(block_on(run(&token)).unwrap_err().is_manual());
    let named = condition(|| true).every(LONG).named("disk");
    assert_eq!(block_on(run(named)).unwrap_err().reason(), &Reason::condition("disk", 1));
}

#[test]
fn question_mark_in_source() {
    #[derive(Debug, PartialEq)]
    enum Failed {
        Cancelled,
        Parse,
    }
    impl From<Cancelled> for Failed {
        fn from(_: Cancelled) -> Self {
            Failed::Cancelled
        }
    }
    impl From<std::num::ParseIntError> for Failed {
        fn from(_: std::num::ParseIntError) -> Self {
            Failed::Parse
        }
    }

    #[cancelable(timeout = Duration::from_secs(text.parse()?))]
    async fn run(text: &str, runs: &Cell<u32>) -> Result<usize, Failed> {
        runs.set(runs.get() + 1);
        Ok(text.len())
    }

    let _watchdog = support::watchdog();
    let runs = Cell::new(0);
    assert_eq!(block_on(run("never", &runs)), Err(Failed::Parse));
    assert_eq!(block_on(run("0", &runs)), Err(Failed::Cancelled));
    assert_eq!(runs.get(), 0);
    assert_eq!(block_on(run("3600", &runs)), Ok(4));
}

#[test]
fn token_stays_with_body() {
    struct Holder {
        token: CancellationToken,
    }

    #[cancelable(token = value, token = *reference, token = reference, token = twice)]
    #[cancelable(token = shared, token = holder.token, token = &holder.token, token = value.child_token())]
    async fn run(
        value: CancellationToken,
        reference: &CancellationToken,
        twice: &&CancellationToken,
        shared: Arc<CancellationToken>,
        holder: Holder,
    ) -> Result<usize, Cancelled> {
        let tokens = [value, reference.clone(), (*twice).clone(), (*shared).clone(), holder.token];
        Ok(tokens.iter().filter(|token| token.is_cancelled()).count())
    }

    let _watchdog = support::watchdog();
    let cancelled = |which: usize| {
        let tokens: [CancellationToken; 5] = Default::default();
        let [value, reference, twice, shared, held] = tokens.clone();
        if let Some(token) = tokens.get(which) {
            token.cancel_with(format!("{which}"));
        }
        block_on(run(value, &reference, &&twice, Arc::new(shared), Holder { token: held }))
    };
    assert_eq!(cancelled(5), Ok(0));
    for which in 0..5 {
        let reason = cancelled(which).unwrap_err().into_reason();
        assert_eq!(reason.root(), &Reason::manual(format!("{which}")));
    }
}

#[test]
fn token_wakes() {
    #[cancelable(token = token)]
    async fn run(token: CancellationToken, tally: &Arc<Tally>) -> Result<usize, Cancelled> {
        Ok(tally.ready_at(0).await)
    }

    let _watchdog = support::watchdog();
    let (token, tally, wakes) = (CancellationToken::new(), Tally::new(), Wakes::new());
    let mut run = pin!(run(token.clone(), &tally));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert_eq!(wakes.count(), 1);
    // The last poll of the body, then its end.
    assert_eq!(wakes.poll(run), std::task::Poll::Ready(Err(Cancelled::new("stop"))));
    assert_eq!((tally.polls(), tally.drops()), (2, 1));
}
