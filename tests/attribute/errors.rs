//! Error types of every kind: the status and the text that the operation keeps for each.

use std::cell::RefCell;
use std::fmt::{self, Debug, Display};

use cancelable::operation::Snapshot;
use cancelable::prelude::*;

use crate::support::{self, block_on};

/// How the body of each function ends.
#[derive(Clone, Copy)]
enum Body {
    Fails,
    Checks,
    Completes,
}

type Slot = RefCell<Option<Operation>>;

/// The body of a function: stores its handle in the slot, and ends.
macro_rules! body {
    ($body:ident, $slot:ident, $op:ident, $error:expr) => {{
        $slot.replace(Some($op.clone()));
        match $body {
            Body::Fails => return Err($error),
            Body::Checks => {
                $op.cancel_with("stop");
                $op.check()?;
            }
            Body::Completes => {}
        }
        Ok(())
    }};
}

/// Runs a function once for each ending, and returns the snapshots of its operations.
macro_rules! endings {
    ($run:path) => {{
        let slot = Slot::default();
        [Body::Fails, Body::Checks, Body::Completes].map(|body| {
            let is_ok = block_on($run(body, &slot)).is_ok();
            assert_eq!(is_ok, matches!(body, Body::Completes));
            slot.take().unwrap().snapshot()
        })
    }};
}

#[track_caller]
fn are_told([failed, checked, completed]: [Snapshot; 3], text: &str) {
    assert_eq!((failed.status, failed.error.as_deref()), (Status::Failed, Some(text)));
    assert_eq!(failed.reason, None);
    assert_eq!(checked.status, Status::Cancelled);
    assert_eq!(checked.reason, Some(Reason::manual("stop")));
    // The text of the returned error is kept too.
    assert!(checked.error.is_some());
    assert_eq!((completed.status, completed.error), (Status::Completed, None));
}

/// Has `Display` and `Debug`, with different texts.
#[derive(Debug)]
struct Both(Option<Cancelled>);

impl Display for Both {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(cancelled) => write!(f, "both: {cancelled}"),
            None => f.write_str("both: no disk"),
        }
    }
}

impl From<Cancelled> for Both {
    fn from(cancelled: Cancelled) -> Self {
        Both(Some(cancelled))
    }
}

/// Has no `Display`.
#[derive(Debug)]
enum OnlyDebug {
    NoDisk,
    Stopped(#[expect(dead_code, reason = "printed")] Cancelled),
}

impl From<Cancelled> for OnlyDebug {
    fn from(cancelled: Cancelled) -> Self {
        OnlyDebug::Stopped(cancelled)
    }
}

/// Has neither `Display` nor `Debug`.
struct Silent;

impl From<Cancelled> for Silent {
    fn from(_: Cancelled) -> Self {
        Silent
    }
}

/// Has `Display` and a lifetime.
struct Short<'a>(&'a str);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl From<Cancelled> for Short<'_> {
    fn from(_: Cancelled) -> Self {
        Short("cancelled")
    }
}

#[test]
fn display() {
    #[cancelable]
    async fn both(body: Body, slot: &Slot, op: Operation) -> Result<(), Both> {
        body!(body, slot, op, Both(None))
    }

    #[cancelable]
    async fn boxed(
        body: Body,
        slot: &Slot,
        op: Operation,
    ) -> Result<(), Box<dyn std::error::Error>> {
        body!(body, slot, op, "no disk".into())
    }

    #[cancelable]
    async fn of_io(body: Body, slot: &Slot, op: Operation) -> std::io::Result<()> {
        body!(body, slot, op, std::io::Error::other("no disk"))
    }

    let _watchdog = support::watchdog();
    are_told(endings!(both), "both: no disk");
    are_told(endings!(boxed), "no disk");
    are_told(endings!(of_io), "no disk");
}

#[test]
fn debug() {
    #[cancelable]
    async fn run(body: Body, slot: &Slot, op: Operation) -> Result<(), OnlyDebug> {
        body!(body, slot, op, OnlyDebug::NoDisk)
    }

    let _watchdog = support::watchdog();
    are_told(endings!(run), "NoDisk");
}

#[test]
fn neither_display_nor_debug() {
    #[cancelable]
    async fn run(body: Body, slot: &Slot, op: Operation) -> Result<(), Silent> {
        body!(body, slot, op, Silent)
    }

    let _watchdog = support::watchdog();
    are_told(endings!(run), std::any::type_name::<Silent>());
}

#[test]
fn generic_error() {
    trait NoDisk: From<Cancelled> {
        fn no_disk() -> Self;
    }

    impl NoDisk for Both {
        fn no_disk() -> Self {
            Both(None)
        }
    }

    #[cancelable]
    async fn display<E: Display + NoDisk>(body: Body, slot: &Slot, op: Operation) -> Result<(), E> {
        body!(body, slot, op, E::no_disk())
    }

    #[cancelable]
    async fn debug<E>(body: Body, slot: &Slot, op: Operation) -> Result<(), E>
    where
        E: NoDisk + Debug,
    {
        body!(body, slot, op, E::no_disk())
    }

    #[cancelable]
    async fn neither<E: NoDisk>(body: Body, slot: &Slot, op: Operation) -> Result<(), E> {
        body!(body, slot, op, E::no_disk())
    }

    let _watchdog = support::watchdog();
    are_told(endings!(display::<Both>), "both: no disk");
    are_told(endings!(debug::<Both>), "Both(None)");
    are_told(endings!(neither::<Both>), std::any::type_name::<Both>());
}

#[test]
fn hidden_and_borrowing() {
    #[cancelable]
    async fn hidden(
        body: Body,
        slot: &Slot,
        op: Operation,
    ) -> Result<(), impl Debug + From<Cancelled>> {
        body!(body, slot, op, Both(None))
    }

    #[cancelable]
    async fn borrowing<'a>(text: &'a str, slot: &Slot, op: Operation) -> Result<(), Short<'a>> {
        slot.replace(Some(op));
        Err(Short(text))
    }

    let _watchdog = support::watchdog();
    are_told(endings!(hidden), "both: no disk");
    let slot = Slot::default();
    assert!(block_on(borrowing("no disk", &slot)).is_err());
    assert_eq!(slot.take().unwrap().error().as_deref(), Some("no disk"));
}

/// The caller receives the error itself.
#[test]
fn error_is_unchanged() {
    #[cancelable(token = token)]
    async fn run(token: &CancellationToken, text: String) -> Result<(), OnlyOnce> {
        Err(OnlyOnce(text))
    }

    struct OnlyOnce(String);

    impl From<Cancelled> for OnlyOnce {
        fn from(cancelled: Cancelled) -> Self {
            OnlyOnce(format!("{cancelled}!"))
        }
    }

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(block_on(run(&token, "as it is".to_owned())).unwrap_err().0, "as it is");
    token.cancel_with("stop");
    assert_eq!(block_on(run(&token, String::new())).unwrap_err().0, "`run` cancelled: stop!");
}

/// If the body returns the `Cancelled` of an inner race with `?`, that is a failure, because the operation itself was not
/// cancelled.
#[test]
fn inner_race_fails() {
    macro_rules! ends_as {
        ($run:ident, $error:ty) => {{
            #[cancelable]
            async fn $run(slot: &Slot, op: Operation) -> Result<(), $error> {
                slot.replace(Some(op));
                let token = CancellationToken::new();
                token.cancel_with("inner");
                async { Ok(()) }.try_cancelable(&token).await
            }

            let slot = Slot::default();
            assert!(block_on($run(&slot)).is_err());
            let snapshot = slot.take().unwrap().snapshot();
            (snapshot.status, snapshot.reason)
        }};
    }

    let _watchdog = support::watchdog();
    let failed = (Status::Failed, None);
    assert_eq!(ends_as!(itself, Cancelled), failed);
    assert_eq!(ends_as!(both, Both), failed);
    assert_eq!(ends_as!(debug, OnlyDebug), failed);
    assert_eq!(ends_as!(silent, Silent), failed);
}
