//! Each call is an operation: its name, its status, its parent.

use std::cell::RefCell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use cancelable::prelude::*;

use crate::support::{self, block_on, on_every_executor, poll_once};

/// Returns the name of the current operation, if it has one.
fn name_here() -> Option<String> {
    Operation::current()?.name().map(|name| name.to_string())
}

/// Slot in which a body stores its handle for the test.
type Slot = RefCell<Option<Operation>>;

#[cancelable]
async fn bare() -> Result<Option<String>, Cancelled> {
    ready(()).await;
    Ok(name_here())
}

#[test]
fn default_name() {
    struct Service;

    impl Service {
        #[cancelable(source = never())]
        async fn start(&self) -> Result<Option<String>, Cancelled> {
            Ok(name_here())
        }
    }

    #[cancelable()]
    async fn r#match() -> Result<Option<String>, Cancelled> {
        Ok(name_here())
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(bare()), Ok(Some("bare".to_owned())));
    assert_eq!(block_on(Service.start()), Ok(Some("start".to_owned())));
    assert_eq!(block_on(r#match()), Ok(Some("match".to_owned())));
    assert!(Operation::current().is_none());
}

#[test]
fn named() {
    #[cancelable(name = "fetch")]
    async fn text() -> Result<Option<String>, Cancelled> {
        Ok(name_here())
    }

    #[cancelable(name = format!("fetch {url}"), source = never())]
    async fn from_arguments(url: String) -> Result<(Option<String>, String), Cancelled> {
        Ok((name_here(), url))
    }

    const NAME: &str = "constant";

    #[cancelable(name = NAME)]
    async fn constant() -> Result<Option<String>, Cancelled> {
        Ok(name_here())
    }

    #[cancelable(name = "")]
    async fn none() -> Result<(bool, Option<String>), Cancelled> {
        Ok((Operation::current().is_some(), name_here()))
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(text()), Ok(Some("fetch".to_owned())));
    let (name, url) = block_on(from_arguments("/a".to_owned())).unwrap();
    assert_eq!((name.as_deref(), url.as_str()), (Some("fetch /a"), "/a"));
    assert_eq!(block_on(constant()), Ok(Some("constant".to_owned())));
    assert_eq!(block_on(none()), Ok((true, None)));
}

/// The values of keys are evaluated in the operation of the caller, not in the operation of the call.
#[test]
fn values_are_outside() {
    #[cancelable(name = name_here().map_or("nowhere".to_owned(), |name| format!("below {name}")))]
    async fn below() -> Result<Option<String>, Cancelled> {
        Ok(name_here())
    }

    #[cancelable]
    async fn above() -> Result<Option<String>, Cancelled> {
        below().await
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(below()), Ok(Some("nowhere".to_owned())));
    assert_eq!(block_on(above()), Ok(Some("below above".to_owned())));
}

#[test]
fn one_operation_per_call() {
    #[cancelable]
    async fn id(operation: Operation) -> Result<cancelable::operation::OperationId, Cancelled> {
        Ok(operation.id())
    }

    let _watchdog = support::watchdog();
    assert_ne!(block_on(id()).unwrap(), block_on(id()).unwrap());
}

#[test]
fn order_of_name() {
    fn made<T>(what: &'static str, log: &RefCell<Vec<&'static str>>, value: T) -> T {
        log.borrow_mut().push(what);
        value
    }

    #[cancelable(
        source = made("first", log, never()),
        name = made("name", log, "n"),
        token = made("last", log, CancellationToken::new()),
    )]
    async fn run(log: &RefCell<Vec<&'static str>>) -> Result<(), Cancelled> {
        log.borrow_mut().push("body");
        Ok(())
    }

    let _watchdog = support::watchdog();
    let log = RefCell::default();
    let run = run(&log);
    assert!(log.borrow().is_empty());
    assert_eq!(block_on(run), Ok(()));
    assert_eq!(*log.borrow(), ["first", "name", "last", "body"]);
}

on_every_executor! {
    async fn a_function_within_another_is_below_it() {
        #[cancelable]
        async fn inner(slot: &std::sync::Mutex<Option<Operation>>, operation: Operation) -> Result<(), Cancelled> {
            *slot.lock().unwrap() = Some(operation.clone());
            if operation.snapshot().parent_id.is_some() {
                pending::<()>().await;
            }
            Ok(())
        }

        #[cancelable(name = "ingest", token = stop)]
        async fn outer(stop: &CancellationToken, slot: &std::sync::Mutex<Option<Operation>>) -> Result<(), Cancelled> {
            let mut below = pin!(inner(slot));
            assert!(futures::poll!(below.as_mut()).is_pending());
            stop.cancel_with("enough");
            below.await
        }

        let (stop, slot) = (CancellationToken::new(), std::sync::Mutex::default());
        assert_eq!(outer(&stop, &slot).await, Err(Cancelled::new("enough")));
        let below = slot.into_inner().unwrap().unwrap();
        assert_eq!(below.status(), Status::Cancelled);
        let reason = below.reason().unwrap();
        assert_eq!(reason.kind(), ReasonKind::Parent);
        assert_eq!(reason.root(), &Reason::manual("enough"));
        assert!(reason.to_string().contains("ingest"), "{reason}");
    }
}

#[test]
fn handle_cancels() {
    #[cancelable]
    async fn run(slot: &Slot, operation: Operation) -> Result<(), Cancelled> {
        slot.replace(Some(operation));
        pending().await
    }

    let _watchdog = support::watchdog();
    let slot = Slot::default();
    let mut run = pin!(run(&slot));
    assert!(poll_once(run.as_mut()).is_pending());
    let operation = slot.take().unwrap();
    assert_eq!((operation.status(), operation.deadline()), (Status::Running, None));
    assert!(operation.cancel_with("by hand"));
    assert_eq!(block_on(run), Err(Cancelled::new("by hand")));
    assert_eq!(operation.status(), Status::Cancelled);
}

/// Ends in one of several ways, which the caller selects by a number.
#[cancelable(token = token)]
async fn ends(
    how: u32,
    token: &CancellationToken,
    slot: &Slot,
    operation: Operation,
) -> Result<u32, Box<dyn std::error::Error>> {
    slot.replace(Some(operation.clone()));
    match how {
        0 => Ok(7),
        1 => Err("no disk".into()),
        2 => {
            operation.cancel_with("changed my mind");
            operation.check()?;
            unreachable!("cancelled above")
        }
        3 => {
            token.cancel_with("stop");
            pending().await
        }
        4 => panic!("as it must"),
        _ => pending().await,
    }
}

#[test]
fn endings() {
    let _watchdog = support::watchdog();
    let slot = Slot::default();
    let end = |how| {
        let token = CancellationToken::new();
        let outcome = block_on(ends(how, &token, &slot)).map_err(|error| error.to_string());
        (outcome, slot.take().unwrap().snapshot())
    };

    let (outcome, end0) = end(0);
    assert_eq!((outcome, end0.status, end0.error), (Ok(7), Status::Completed, None));

    let (outcome, failed) = end(1);
    assert_eq!(outcome.unwrap_err(), "no disk");
    assert_eq!((failed.status, failed.error.as_deref()), (Status::Failed, Some("no disk")));

    let (outcome, checked) = end(2);
    assert_eq!(outcome.unwrap_err(), "`ends` cancelled: changed my mind");
    assert_eq!(checked.status, Status::Cancelled);
    assert_eq!(checked.reason, Some(Reason::manual("changed my mind")));

    let (outcome, stopped) = end(3);
    assert_eq!(outcome.unwrap_err(), "`ends` cancelled: stop");
    assert_eq!(stopped.status, Status::Cancelled);
    assert_eq!(stopped.reason, Some(Reason::manual("stop")));

    let panicked = catch_unwind(AssertUnwindSafe(|| end(4)));
    assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "as it must");
    assert_eq!(slot.take().unwrap().status(), Status::Failed);

    let token = CancellationToken::new();
    {
        let mut dropped = pin!(ends(5, &token, &slot));
        assert!(poll_once(dropped.as_mut()).is_pending());
    }
    let dropped = slot.take().unwrap();
    assert_eq!((dropped.status(), dropped.reason()), (Status::Cancelled, Some(Reason::Dropped)));
}

#[test]
fn fired_source() {
    let _watchdog = support::watchdog();
    let (token, slot) = (CancellationToken::new(), Slot::default());
    token.cancel_with("early");
    assert_eq!(
        block_on(ends(0, &token, &slot)).unwrap_err().to_string(),
        "`ends` cancelled: early"
    );
    assert!(slot.take().is_none());
}

#[cfg(feature = "time")]
#[test]
fn timeout_is_deadline() {
    use std::time::Duration;

    #[cancelable(timeout = "1h")]
    async fn left(operation: Operation) -> Result<Option<Duration>, Cancelled> {
        Ok(operation.remaining())
    }

    let _watchdog = support::watchdog();
    let left = block_on(left()).unwrap().unwrap();
    assert!(left > Duration::from_secs(3000) && left <= Duration::from_secs(3600), "{left:?}");
}
