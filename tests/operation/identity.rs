//! Names, ids, metadata and snapshots.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cancelable::operation::{OperationId, Snapshot};
use cancelable::prelude::*;

use crate::support::{self, Gate, poll_once};

fn operation() -> Operation {
    support::unpolled("")
}

/// A name that a handle has returned stays valid when the operation is renamed. The operation then returns its latest name.
#[test]
fn renamed() {
    let run = async {}.cancelable(never()).named("first");
    let operation = run.operation();
    let first = operation.name();
    let run = run.named("second");
    let second = operation.name();
    let run = run.named("");
    assert_eq!((first, second, operation.name()), (Some("first"), Some("second"), None));
    let run = run.named("first");
    assert_eq!(operation.name(), first);
    drop(run);
    assert_eq!(operation.name(), Some("first"));
}

#[test]
fn ids_are_unique() {
    let _watchdog = support::watchdog();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                let ids: Vec<_> = (0..1000).map(|_| operation().id()).collect();
                assert!(ids.is_sorted(), "later ones have larger ids");
                ids
            })
        })
        .collect();
    let ids: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ids.len(), 4000);
    let id = operation().id();
    assert!(!ids.contains(&id));
    assert_eq!(id.to_string(), id.as_u64().to_string());
}

#[test]
fn id_parses_its_display() {
    let _watchdog = support::watchdog();
    let id = operation().id();
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(OperationId::from_u64(id.as_u64()), id);
    for number in [0, 1, u64::MAX] {
        assert_eq!(number.to_string().parse(), Ok(OperationId::from_u64(number)));
    }
    for text in
        ["", " 7", "7 ", "+7", "-7", "7.0", "0x7", "seven", "\u{0667}", "18446744073709551616"]
    {
        let error = text.parse::<OperationId>().unwrap_err();
        assert_eq!(error.to_string(), "not an operation id: expected a number", "{text:?}");
    }
}

#[test]
fn handles_compare_by_operation() {
    let _watchdog = support::watchdog();
    let run = async {}.cancelable(never());
    let (one, again) = (run.operation(), run.operation());
    assert_eq!(one, again);
    assert_eq!(one.id(), again.clone().id());
    assert_ne!(one, operation());
    let hash = |operation: &Operation| {
        let mut hasher = DefaultHasher::new();
        operation.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(&one), hash(&again));
    assert_ne!(hash(&one), hash(&operation()));
}

#[test]
fn last_name_stays() {
    let _watchdog = support::watchdog();
    let run = async {}.cancelable(never());
    assert_eq!(run.operation().name(), None);
    let run = run.named("");
    assert_eq!(run.operation().name(), None);
    let run = run.named("first").named(String::from("second"));
    assert_eq!(run.operation().name(), Some("second"));
    let run = run.named("");
    assert_eq!(run.operation().name(), None);
    assert!(!run.operation().snapshot().to_string().contains('`'));
}

#[test]
fn metadata_by_key() {
    let _watchdog = support::watchdog();
    let run = async {}.cancelable(never()).metadata("url", "/a").metadata("rows", "0");
    let operation = run.operation();
    let earlier = operation.metadata();
    operation.set_metadata("rows", 12.to_string());
    let pairs: Vec<_> = operation.metadata().into_iter().collect();
    assert_eq!(pairs, [("rows".into(), "12".into()), ("url".into(), "/a".into())]);
    assert_eq!(earlier["rows"], "0", "what was handed out is a copy");
    support::block_on(run).unwrap();
    operation.set_metadata("late", "yes");
    assert_eq!(operation.metadata()["late"], "yes");
}

#[test]
fn snapshot_has_every_field() {
    let _watchdog = support::watchdog();
    let gate = Gate::new();
    let above = operation();
    let run = gate.pass().cancelable(never()).named("fetch").metadata("url", "/a").child_of(&above);
    let operation = run.operation();
    let mut run = pin!(run);
    let pending = operation.snapshot();
    assert_eq!(pending.id, operation.id());
    assert_eq!(pending.name.as_deref(), Some("fetch"));
    assert_eq!(pending.status, Status::Pending);
    assert_eq!((&pending.reason, &pending.error, &pending.progress), (&None, &None, &None));
    assert_eq!(pending.parent_id, Some(above.id()));
    assert_eq!(pending.parent_name, None);
    assert_eq!(pending.metadata["url"], "/a");
    assert_eq!((pending.elapsed, pending.remaining), (Duration::ZERO, None));

    assert!(poll_once(run.as_mut()).is_pending());
    operation.report_progress(Progress::steps(1, 2));
    operation.cancel_with("stop");
    let cancelling = operation.snapshot();
    assert_eq!(cancelling.status, Status::Cancelling);
    assert_eq!(cancelling.reason, Some(Reason::manual("stop")));
    assert_eq!(cancelling.progress, Some(Progress::steps(1, 2)));
    assert_eq!(pending.status, Status::Pending, "an earlier one stays as it was");

    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(operation.snapshot().status, Status::Cancelled);
    assert!(operation.snapshot().elapsed > Duration::ZERO);
}

#[test]
fn snapshots_compare_by_value() {
    let _watchdog = support::watchdog();
    let unpolled = async {}.cancelable(never()).named("a");
    let operation = unpolled.operation();
    let before = operation.snapshot();
    assert_eq!(before, operation.snapshot());
    assert_eq!(before, before.clone());
    let differs = |change: &dyn Fn()| {
        let before = operation.snapshot();
        change();
        assert_ne!(before, operation.snapshot());
    };
    differs(&|| operation.report_progress("half"));
    differs(&|| operation.set_metadata("k", "v"));
    differs(&|| assert!(operation.cancel()));
    let twin_run = async {}.cancelable(never()).named("a");
    let twin = twin_run.operation();
    assert_ne!(before, twin.snapshot(), "another operation");
}

/// Returns the `Display` text without the duration.
fn shown(snapshot: &Snapshot) -> String {
    let mut snapshot = snapshot.clone();
    snapshot.elapsed = Duration::ZERO;
    let all = snapshot.to_string();
    let start = format!("operation {}", snapshot.id);
    assert!(all.starts_with(&start), "{all}");
    all[start.len()..].to_owned()
}

#[test]
fn snapshot_displays_on_one_line() {
    let _watchdog = support::watchdog();
    let nameless = operation().snapshot();
    assert_eq!(shown(&nameless), " pending");

    let run = async { 7 }.cancelable(never()).named("sum");
    let operation = run.operation();
    support::block_on(run).unwrap();
    operation.report_progress("done");
    assert_eq!(shown(&operation.snapshot()), " `sum` completed, done");
    let mut snapshot = operation.snapshot();
    snapshot.elapsed = Duration::from_millis(1500);
    assert!(snapshot.to_string().ends_with("`sum` completed after 1.5s, done"));

    let run = async { Err::<(), _>(std::io::Error::other("no disk")) }.try_cancelable(never());
    let operation = run.operation();
    support::block_on(run).unwrap_err();
    assert_eq!(shown(&operation.snapshot()), " failed: no disk");

    let run = async { 7 }.cancelable(async { Reason::manual("stop") });
    let operation = run.operation();
    support::block_on(run).unwrap_err();
    assert_eq!(shown(&operation.snapshot()), " cancelled: cancelled: stop");
}

#[test]
fn status_names() {
    let _watchdog = support::watchdog();
    let names = [
        (Status::Pending, "pending", false),
        (Status::Running, "running", false),
        (Status::Cancelling, "cancelling", false),
        (Status::Completed, "completed", true),
        (Status::Failed, "failed", true),
        (Status::Cancelled, "cancelled", true),
    ];
    for (status, name, is_final) in names {
        assert_eq!((status.as_str(), status.is_final()), (name, is_final));
        assert_eq!(format!("{status:>12}"), format!("{name:>12}"));
    }
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let run = async {}.cancelable(never()).named("fetch");
    let shown = format!("{:?}", run.operation());
    assert!(shown.contains("fetch") && shown.contains("Pending"), "{shown}");
    assert!(format!("{run:?}").contains("fetch"));
}

#[test]
fn send_and_sync() {
    let _watchdog = support::watchdog();
    fn is_shared<T: Send + Sync>(_: &T) {}
    is_shared(&operation());
    is_shared(&operation().snapshot());
    let run = async { Ok::<_, Cancelled>(7) }
        .try_cancelable(never())
        .named("fetch")
        .on_start(|_| {})
        .on_progress(|_, _| {})
        .on_complete(|_| {})
        .on_cancel(|_, _| {})
        .on_error(|_, _| {})
        .finally(|_| async {})
        .on_clean_up_lost(|_| {});
    is_shared(&run);
    is_shared(&async {}.cancelable(never()).finally_or_spawn(|_| {}, |_| async {}));
    is_shared(&scope(never(), |_| async {}));
    is_shared(&shield(async {}));
    is_shared(&operation().in_scope(async {}));
    is_shared(&operation().wrap(async |(): ()| {}));

    // One shared handle, used on two threads at once.
    let operation = Arc::new(run.operation());
    thread::scope(|threads| {
        for number in 0..4 {
            let operation = operation.clone();
            threads.spawn(move || {
                operation.set_metadata(format!("k{number}"), "v");
                operation.report_progress(format!("{number}"));
                operation.snapshot()
            });
        }
    });
    assert_eq!(operation.metadata().len(), 4);
    drop(run);
}
