//! The key `grace`.

use std::future::pending;
use std::pin::pin;
use std::time::{Duration, Instant};

use cancelable::prelude::*;

use crate::support::{self, block_on, on_every_executor, poll_once};

/// Ends by itself after a cancellation.
#[cancelable(token = token, grace = "1h")]
async fn polite(token: &CancellationToken, op: Operation) -> Result<String, Cancelled> {
    token.cancel_with("stop");
    let reason = op.cancelled().await;
    // The value is ready only one poll after the last poll that every body gets, so it needs the grace period.
    smol::future::yield_now().await;
    Ok(format!("saved: {reason}"))
}

/// Continues after a cancellation.
#[cancelable(token = token, grace = limit)]
async fn stubborn(token: &CancellationToken, limit: Duration) -> Result<(), Cancelled> {
    token.cancel_with("stop");
    pending().await
}

on_every_executor! {
    async fn the_body_may_end_by_itself() {
        let saved = polite(&CancellationToken::new()).await;
        assert_eq!(saved.as_deref(), Ok("saved: cancelled: stop"));
    }

    async fn when_it_is_over_the_body_is_dropped() {
        let limit = Duration::from_millis(5);
        let start = Instant::now();
        let cancelled = stubborn(&CancellationToken::new(), limit).await.unwrap_err();
        assert!(start.elapsed() >= limit);
        assert!(cancelled.was_forced());
        assert_eq!(cancelled.reason(), &Reason::manual("stop"));
    }
}

#[test]
fn without_grace() {
    #[cancelable(token = token)]
    async fn run(token: &CancellationToken, op: Operation) -> Result<String, Cancelled> {
        token.cancel_with("stop");
        pending::<()>().await;
        Ok(op.cancelled().await.to_string())
    }

    let _watchdog = support::watchdog();
    let cancelled = block_on(run(&CancellationToken::new())).unwrap_err();
    assert!(!cancelled.was_forced());
}

#[test]
fn within_grace() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut run = pin!(stubborn(&token, Duration::from_secs(3600)));
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(token.is_cancelled());
    assert!(poll_once(run.as_mut()).is_pending());
}

#[test]
fn fired_source() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("early");
    assert_eq!(block_on(polite(&token)), Err(Cancelled::new("early")));
}
