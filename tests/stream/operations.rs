//! A stream as an operation: status, hooks, parent, reports.

use std::pin::pin;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cancelable::prelude::*;
use futures::{StreamExt, stream};

use crate::feed::{end, error, feed, item, next};
use crate::support::{self, Log, Wakes, block_on, kept, panic_of};

#[test]
fn lifetime() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, log) = (feed(), Wakes::new(), Log::new());
    let start = log.clone();
    let stream = feed.cancelable_stream(never()).on_start(move |_| start.note("started"));
    let operation = stream.operation();
    log.watch(&operation);
    let mut stream = pin!(stream);
    assert_eq!(operation.status(), Status::Pending);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!((operation.status(), log.take()), (Status::Running, vec!["started".to_owned()]));
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert_eq!(operation.status(), Status::Running);
    tap.end();
    assert_eq!(next(stream.as_mut(), &wakes), end());
    assert_eq!((operation.status(), log.take()), (Status::Completed, vec!["completed".to_owned()]));
    assert_eq!(next(stream.as_mut(), &wakes), end());
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn cancelled_by_handle() {
    let _watchdog = support::watchdog();
    for waits in [true, false] {
        let ((feed, tap), wakes, log) = (feed(), Wakes::new(), Log::new());
        let token = CancellationToken::new();
        let stream = feed.cancelable_stream(&token);
        let operation = stream.operation();
        log.watch(&operation);
        let mut stream = pin!(stream);
        tap.push(1);
        assert_eq!(next(stream.as_mut(), &wakes), item(1));
        if waits {
            assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
            assert_eq!(kept(&wakes), 3, "feed, token, handles");
        } else {
            tap.push(2);
        }
        assert!(operation.cancel_with("stop"));
        assert_eq!(wakes.count(), usize::from(waits));
        assert_eq!(operation.status(), Status::Cancelling);
        assert!(!token.is_cancelled());
        assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
        assert_eq!((log.take(), kept(&wakes)), (vec!["hook: cancelled: stop".to_owned()], 0));
        assert_eq!((tap.drops(), tap.left()), (1, usize::from(!waits)));
    }
}

#[test]
fn first_reason_wins() {
    let _watchdog = support::watchdog();
    let (wakes, token) = (Wakes::new(), CancellationToken::new());
    let stream = stream::iter(0..).cancelable_stream(&token);
    let operation = stream.operation();
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), item(0));
    operation.cancel_with("first");
    token.cancel_with("second");
    assert_eq!(next(stream.as_mut(), &wakes), error("first"));
    assert_eq!(operation.reason(), Some(Reason::manual("first")));
}

#[test]
fn dropped() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, log) = (feed(), Wakes::new(), Log::new());
    let stream = feed.cancelable_stream(never());
    let operation = stream.operation();
    log.watch(&operation);
    drop(stream);
    assert_eq!((operation.status(), log.take()), (Status::Cancelled, vec![]), "it never ran");
    assert_eq!(tap.drops(), 1);

    let (feed, tap) = crate::feed::feed();
    let held = log.on_drop("stream gone");
    let feed = feed.inspect(move |_| {
        let _held = &held;
    });
    let stream = feed.cancelable_stream(never());
    let operation = stream.operation();
    log.watch(&operation);
    let mut stream = Box::pin(stream);
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    drop(stream);
    assert_eq!(operation.reason(), Some(Reason::Dropped));
    assert_eq!(log.take(), ["stream gone", "hook: dropped before it was done"]);
}

#[test]
fn panic_fails_it() {
    let _watchdog = support::watchdog();
    let (wakes, log) = (Wakes::new(), Log::new());
    let broken = stream::iter(0..3).inspect(|number| assert!(*number < 1, "no disk"));
    let stream = broken.cancelable_stream(never());
    let operation = stream.operation();
    log.watch(&operation);
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), item(0));
    assert_eq!(panic_of(|| next(stream.as_mut(), &wakes)), "no disk");
    assert_eq!(log.take(), ["failed: panicked: no disk"]);
    assert_eq!(next(stream.as_mut(), &wakes), end());
}

#[test]
fn child_of_current() {
    let _watchdog = support::watchdog();
    let (wakes, inner) = (Wakes::new(), Arc::new(Mutex::new(None)));
    let note = inner.clone();
    let run = scope(never(), async move |_| {
        let stream = stream::pending::<u32>().cancelable_stream(never()).named("lines");
        *note.lock().unwrap() = Some(stream.operation());
        stream.count().await
    });
    let parent = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    let stream = inner.lock().unwrap().clone().unwrap();
    assert_eq!(stream.parent_id(), Some(parent.id()));
    parent.cancel_with("stop");
    assert!(wakes.poll(run.as_mut()).is_ready());
    assert_eq!(stream.reason().unwrap().root(), &Reason::manual("stop"));
    assert!(matches!(stream.reason(), Some(Reason::Parent { .. })));
}

#[test]
fn current_inside() {
    let _watchdog = support::watchdog();
    let name = || Operation::current().and_then(|lines| lines.name().map(str::to_owned));
    let stream = stream::repeat_with(name).take(3);
    let names = stream.cancelable_stream(never()).named("lines").map(Result::unwrap);
    let names: Vec<_> = block_on(names.collect());
    assert_eq!(names, vec![Some("lines".to_owned()); 3]);
    assert_eq!(Operation::current(), None);
}

#[test]
fn metadata_and_deadline() {
    let _watchdog = support::watchdog();
    let stream =
        stream::iter(0..1).cancelable_stream(never()).named("lines").metadata("file", "a.txt");
    let operation = stream.operation();
    assert_eq!(operation.metadata()["file"], "a.txt");
    assert_eq!(block_on(stream.count()), 1);
    assert_eq!(operation.deadline(), None);
    #[cfg(feature = "time")]
    {
        let limit = std::time::Duration::from_secs(3600);
        let stream = stream::iter(0..1).cancelable_stream(timeout(limit)).named("lines");
        let operation = stream.operation();
        assert_eq!(block_on(stream.idle_timeout(limit / 2).count()), 1);
        let left = operation.remaining().unwrap();
        assert!(left > limit * 3 / 4, "an idle timeout is no deadline: {left:?}");
    }
}

#[test]
fn reports() {
    let _watchdog = support::watchdog();
    // In one turn the number of remaining items is known, in the other turn it is not.
    for known in [true, false] {
        let (sender, receiver) = channel();
        let sender = Mutex::new(sender);
        let numbers = stream::iter(0..7).filter(move |_| std::future::ready(true));
        let numbers = if known { stream::iter(0..7).left_stream() } else { numbers.right_stream() };
        let stream = numbers.cancelable_stream(never()).report_every(3);
        let stream = stream.on_progress(move |_, progress| {
            sender.lock().unwrap().send(progress.clone()).unwrap();
        });
        assert_eq!(block_on(stream.count()), 7);
        let reports: Vec<_> = receiver.iter().collect();
        let counts: Vec<_> = reports.iter().map(|report| report.get("items").unwrap()).collect();
        assert_eq!(counts, ["3", "6"]);
        let steps: Vec<_> = reports.iter().map(Progress::counted).collect();
        assert_eq!(steps, if known { [Some((3, 7)), Some((6, 7))] } else { [None, None] });
    }
}

#[test]
fn reports_count_items() {
    let _watchdog = support::watchdog();
    let stream = stream::iter(0..100).cancelable_stream(never()).report_every(7).chunks(10);
    let operation = stream.operation();
    assert_eq!(block_on(stream.count()), 10);
    assert_eq!(operation.snapshot().progress.unwrap().get("items"), Some("98"));
}

#[test]
fn report_every_zero() {
    let _watchdog = support::watchdog();
    let stream = stream::iter(0..100).cancelable_stream(never()).report_every(0);
    let operation = stream.operation();
    assert_eq!(block_on(stream.count()), 100);
    assert_eq!(operation.snapshot().progress, None);
}

#[test]
fn cancelled_by_report_hook() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let stream = stream::iter(0..).cancelable_stream(never()).report_every(2);
    let mut stream = pin!(stream.on_progress(|operation, _| {
        operation.cancel_with("two");
    }));
    assert_eq!(next(stream.as_mut(), &wakes), item(0));
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert_eq!(next(stream.as_mut(), &wakes), error("two"));
}

#[test]
fn late_handle() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let mut stream = pin!(stream::iter(0..).cancelable_stream(never()));
    assert_eq!(next(stream.as_mut(), &wakes), item(0));
    let operation = stream.operation();
    assert_eq!(operation.status(), Status::Running);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    operation.cancel_with("stop");
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!(operation.status(), Status::Cancelled);
}

#[test]
fn dropping_cancels_nothing_else() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let run = scope(&token, async |_| {
        let stream = stream::iter(0..).cancelable_stream(&token).named("left early");
        assert_eq!(stream.take(2).count().await, 2);
        smol::future::yield_now().await;
        Operation::current().unwrap().is_cancelled()
    });
    assert_eq!(block_on(run), Ok(false));
    assert!(!token.is_cancelled());
}

#[test]
fn named_between_items() {
    let _watchdog = support::watchdog();
    let (wakes, log) = (Wakes::new(), Log::new());
    let mut stream = stream::iter(0..).cancelable_stream(never());
    assert_eq!(next(pin!(&mut stream), &wakes), item(0));
    let (start, cancel) = (log.clone(), log.clone());
    let stream = stream.named("late").on_start(move |operation| {
        assert_eq!(operation.status(), Status::Running);
        start.note("started");
    });
    let mut stream = stream.on_cancel(move |_, reason| cancel.note(reason));
    for number in 1..3 {
        assert_eq!(next(pin!(&mut stream), &wakes), item(number));
        assert_eq!(log.take(), if number == 1 { vec!["started".to_owned()] } else { vec![] });
    }
    drop(stream);
    assert_eq!(log.take(), ["dropped before it was done"]);
}
