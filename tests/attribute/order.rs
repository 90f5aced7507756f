//! The order in which values are evaluated and sources are polled.

use std::cell::RefCell;
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use cancelable::prelude::*;

use crate::support::{self, Tally, block_on, poll_once};

type Log = RefCell<Vec<&'static str>>;

#[test]
fn values_once_in_order() {
    fn made(what: &'static str, log: &Log) -> CancellationToken {
        log.borrow_mut().push(what);
        CancellationToken::new()
    }

    #[cancelable(token = made("first", log), source = made("second", log), token = made("third", log))]
    async fn run(log: &Log, tally: &Arc<Tally>) -> Result<usize, Cancelled> {
        log.borrow_mut().push("body");
        Ok(tally.ready_at(3).await)
    }

    let _watchdog = support::watchdog();
    let (log, tally) = (Log::default(), Tally::new());
    let mut run = pin!(run(&log, &tally));
    assert!(log.borrow().is_empty());
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(*log.borrow(), ["first", "second", "third", "body"]);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(log.borrow().len(), 4);
}

#[test]
fn first_written_wins() {
    fn said(what: &'static str) -> impl Future<Output = Reason> {
        ready(Reason::manual(what))
    }

    #[cancelable(source = said("a"), token = token)]
    async fn source_first(token: &CancellationToken) -> Result<(), Cancelled> {
        Ok(())
    }

    #[cancelable(token = token, source = said("a"))]
    async fn token_first(token: &CancellationToken) -> Result<(), Cancelled> {
        Ok(())
    }

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(block_on(token_first(&token)), Err(Cancelled::new("a")));
    token.cancel_with("b");
    assert_eq!(block_on(token_first(&token)), Err(Cancelled::new("b")));
    assert_eq!(block_on(source_first(&token)), Err(Cancelled::new("a")));
}

#[test]
fn many_sources() {
    #[cancelable(
        token = t[0], token = t[1], token = t[2], token = t[3], token = t[4], token = t[5],
        token = t[6], token = t[7], token = t[8], token = t[9], token = t[10], token = t[11],
        token = t[12], token = t[13], token = t[14], token = t[15], token = t[16], token = t[17],
        token = t[18], token = t[19], token = t[20], token = t[21], token = t[22], token = t[23],
        token = t[24],
    )]
    async fn run(t: &[CancellationToken; 25]) -> Result<(), Cancelled> {
        Ok(())
    }

    let _watchdog = support::watchdog();
    let tokens: [CancellationToken; 25] = std::array::from_fn(|_| CancellationToken::new());
    assert_eq!(block_on(run(&tokens)), Ok(()));
    // The tokens are cancelled from the last to the first. So among the cancelled tokens, the latest is always the one
    // listed first.
    for (index, token) in tokens.iter().enumerate().rev() {
        let reason = Reason::manual(index.to_string());
        token.cancel_with(reason.clone());
        assert_eq!(block_on(run(&tokens)), Err(reason.into()));
    }
}

#[test]
fn fired_source_wins() {
    #[cancelable(token = token)]
    async fn run(token: &CancellationToken, tally: &Arc<Tally>) -> Result<usize, Cancelled> {
        Ok(tally.ready_at(1).await)
    }

    let _watchdog = support::watchdog();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    assert_eq!(block_on(run(&token, &tally)), Ok(1));
    token.cancel_with("stop");
    assert_eq!(block_on(run(&token, &tally)), Err(Cancelled::new("stop")));
    assert_eq!((tally.polls(), tally.drops()), (1, 1));
}

#[test]
fn value_wins_later() {
    #[cancelable(token = token)]
    async fn run(token: &CancellationToken, tally: &Arc<Tally>) -> Result<usize, Cancelled> {
        Ok(tally.ready_at(2).await)
    }

    let _watchdog = support::watchdog();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    let mut run = pin!(run(&token, &tally));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("too late");
    assert_eq!(block_on(run), Ok(2));
}

#[test]
fn locks_are_released() {
    struct Settings {
        token: CancellationToken,
        runs: u32,
    }

    #[cancelable(token = &settings.lock().unwrap().token, token = settings.lock().unwrap().token)]
    async fn run(settings: &Mutex<Settings>) -> Result<u32, Cancelled> {
        settings.lock().unwrap().runs += 1;
        ready(()).await;
        Ok(settings.lock().unwrap().runs)
    }

    let _watchdog = support::watchdog();
    let settings = Mutex::new(Settings { token: CancellationToken::new(), runs: 0 });
    assert_eq!(block_on(run(&settings)), Ok(1));
    settings.lock().unwrap().token.cancel();
    assert!(block_on(run(&settings)).is_err());
    assert_eq!(settings.lock().unwrap().runs, 1);
}

#[test]
fn two_attributes() {
    #[cancelable(token = inner)]
    #[cancelable(token = outer)]
    async fn run(inner: &CancellationToken, outer: &CancellationToken) -> Result<(), Cancelled> {
        Ok(())
    }

    let _watchdog = support::watchdog();
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    assert_eq!(block_on(run(&first, &second)), Ok(()));
    first.cancel_with("upper");
    assert_eq!(block_on(run(&first, &second)), Err(Cancelled::new("upper")));
    // The lower attribute is expanded last, so it wraps the expansion of the upper one.
    second.cancel_with("lower");
    assert_eq!(block_on(run(&first, &second)), Err(Cancelled::new("lower")));
}
