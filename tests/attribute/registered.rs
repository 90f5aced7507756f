//! The key `registered`.

use std::future::ready;
use std::pin::pin;
use std::task::Poll;

use cancelable::Registry;
use cancelable::prelude::*;

use crate::support::{self, Tally, block_on, poll_once};

/// Returns whether an operation of this name is listed.
fn is_listed(name: &str) -> bool {
    let listed = Registry::global().list();
    listed.iter().any(|snapshot| snapshot.name.as_deref() == Some(name))
}

#[test]
fn listed_while_it_runs() {
    #[cancelable(registered)]
    async fn listed_by_the_attribute(tally: &std::sync::Arc<Tally>) -> Result<bool, Cancelled> {
        tally.ready_at(2).await;
        Ok(is_listed("listed_by_the_attribute"))
    }

    let _watchdog = support::watchdog();
    let name = "listed_by_the_attribute";
    let tally = Tally::new();
    let mut run = pin!(listed_by_the_attribute(&tally));
    assert!(!is_listed(name));
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(is_listed(name));
    assert_eq!(poll_once(run), Poll::Ready(Ok(true)));
    assert!(!is_listed(name));
}

#[test]
fn dropped() {
    #[cancelable(registered, name = "dropped below the attribute", source = never())]
    async fn run(tally: &std::sync::Arc<Tally>) -> Result<usize, Cancelled> {
        Ok(tally.ready_at(0).await)
    }

    let _watchdog = support::watchdog();
    let tally = Tally::new();
    {
        let run = pin!(run(&tally));
        assert!(poll_once(run).is_pending());
        assert!(is_listed("dropped below the attribute"));
    }
    assert!(!is_listed("dropped below the attribute"));
}

#[test]
fn without_key() {
    #[cancelable]
    async fn unlisted_by_the_attribute(op: Operation) -> Result<bool, Cancelled> {
        ready(()).await;
        Ok(op.name().is_some_and(is_listed))
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(unlisted_by_the_attribute()), Ok(false));
}
