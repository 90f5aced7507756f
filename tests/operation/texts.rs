//! The text of the error of an operation, which shows its name.

use std::future::pending;
use std::io;
use std::pin::pin;

use cancelable::prelude::*;
use futures::StreamExt;

use crate::support::{self, block_on, poll_once};

fn stopped(reason: impl Into<Reason>) -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel_with(reason);
    token
}

/// Returns the error of a named operation that was cancelled for this reason.
fn error(reason: impl Into<Reason>) -> Cancelled {
    block_on(async {}.cancelable(stopped(reason)).named("fetch")).unwrap_err()
}

#[test]
fn name_comes_first() {
    let _watchdog = support::watchdog();
    let text = |reason: Reason| error(reason).to_string();
    assert_eq!(text(Reason::Manual { message: None }), "`fetch` cancelled");
    assert_eq!(text(Reason::manual("stop")), "`fetch` cancelled: stop");
    assert_eq!(text(Reason::Disconnected), "`fetch` cancelled: the other side disconnected");
    assert_eq!(text(Reason::error("no disk")), "`fetch` cancelled by an error: no disk");
    let parent = Reason::parent_named(Some("ingest".into()), Reason::manual("stop"));
    assert_eq!(text(parent), "`fetch` cancelled: parent `ingest` cancelled: stop");
    let limit = Reason::timeout_named("index", std::time::Duration::from_secs(30));
    assert_eq!(text(limit), "`fetch` cancelled: timed out after 30s (index)");
}

#[test]
fn no_name_no_change() {
    let _watchdog = support::watchdog();
    let token = stopped("stop");
    let nameless = block_on(async {}.cancelable(&token).metadata("key", "value")).unwrap_err();
    assert_eq!(nameless.to_string(), "cancelled: stop");
    assert_eq!(nameless.operation_name(), None);
}

#[test]
fn every_way_to_be_cancelled() {
    let _watchdog = support::watchdog();
    let named = |error: Cancelled| assert_eq!(error.to_string(), "`fetch` cancelled: stop");

    let token = CancellationToken::new();
    let mut later = pin!(pending::<()>().cancelable(&token).named("fetch"));
    assert!(poll_once(later.as_mut()).is_pending());
    token.cancel_with("stop");
    named(block_on(later).unwrap_err());

    let run = pending::<()>().cancelable(never()).named("fetch");
    let operation = run.operation();
    operation.cancel_with("stop");
    named(operation.check().unwrap_err());
    named(block_on(run).unwrap_err());

    let stream = futures::stream::pending::<()>().cancelable_stream(&token).named("fetch");
    named(block_on(pin!(stream).next()).unwrap().unwrap_err());

    let run = scope(never(), async |operation: Operation| {
        operation.cancel_with("stop");
        operation.wrap(async |()| ())(()).await
    });
    named(block_on(run.named("fetch")).unwrap().unwrap_err());

    let work = async { io::Result::Ok(()) };
    let error = block_on(work.try_cancelable(&token).named("fetch")).unwrap_err();
    assert_eq!(error.to_string(), "`fetch` cancelled: stop");
}

/// The name does not count when errors are compared, and is not part of the reason.
#[test]
fn name_does_not_count() {
    let _watchdog = support::watchdog();
    let named = error("stop");
    assert_eq!(named, Cancelled::new("stop"));
    assert_eq!(named.operation_name(), Some("fetch"));
    assert_eq!(named.into_reason(), Reason::manual("stop"));
}

#[cfg(feature = "time")]
#[test]
fn forced() {
    let _watchdog = support::watchdog();
    let clock = support::Clock::start();
    let token = CancellationToken::new();
    let grace = std::time::Duration::from_millis(1);
    let mut run = pin!(pending::<()>().cancelable(&token).named("fetch").grace(grace));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    let error = clock.block_on(run).unwrap_err();
    assert!(error.was_forced());
    assert_eq!(error.to_string(), "`fetch` cancelled: stop");
}
