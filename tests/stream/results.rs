//! Streams of results: the first `Err` ends the stream.

use std::fmt;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll};

use cancelable::prelude::*;
use cancelable::stream::{Partial, StreamEnd};
use futures::stream::FusedStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::feed::{Feed, Tap, feed, next};
use crate::support::{self, Gate, Log, Wakes, block_on, kept, lost, panic_of};

#[derive(Clone, Debug, PartialEq)]
enum Failure {
    Bad(u32),
    Cancelled(Cancelled),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Bad(number) => write!(f, "bad item {number}"),
            Failure::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Failure::Cancelled(cancelled)
    }
}

/// Numbers from 100 on are errors.
fn check(number: u32) -> Result<u32, Failure> {
    if number < 100 { Ok(number) } else { Err(Failure::Bad(number)) }
}

type Results = stream::Map<Feed, fn(u32) -> Result<u32, Failure>>;

/// A feed of results.
fn results() -> (Results, Tap) {
    let (feed, tap) = feed();
    (feed.map(check as fn(u32) -> _), tap)
}

fn value<T>(value: T) -> Poll<Option<Result<T, Failure>>> {
    Poll::Ready(Some(Ok(value)))
}

fn bad<T>(number: u32) -> Poll<Option<Result<T, Failure>>> {
    Poll::Ready(Some(Err(Failure::Bad(number))))
}

fn stopped<T>(reason: impl Into<Reason>) -> Poll<Option<Result<T, Failure>>> {
    Poll::Ready(Some(Err(Failure::Cancelled(Cancelled::new(reason)))))
}

fn end<T>() -> Poll<Option<Result<T, Failure>>> {
    Poll::Ready(None)
}

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Failure>>>>;

#[test]
fn first_error_ends_it() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let ((results, tap), wakes, log) = (results(), Wakes::new(), Log::new());
        let stream = results.try_cancelable_stream(never());
        let mut stream: Boxed<u32> = if named {
            log.watch(&stream.operation());
            Box::pin(stream.named("lines"))
        } else {
            Box::pin(stream)
        };
        for number in [1, 2, 107, 3] {
            tap.push(number);
        }
        assert_eq!(next(stream.as_mut(), &wakes), value(1));
        assert_eq!(next(stream.as_mut(), &wakes), value(2));
        assert_eq!(tap.drops(), 0);
        assert_eq!(next(stream.as_mut(), &wakes), bad(107));
        assert_eq!((tap.drops(), tap.left()), (1, 1), "no item is pulled after the error");
        assert_eq!(log.take(), if named { vec!["failed: bad item 107"] } else { vec![] });
        for _ in 0..3 {
            assert_eq!(next(stream.as_mut(), &wakes), end());
            assert_eq!(stream.size_hint(), (0, Some(0)));
        }
        assert_eq!((log.take(), kept(&wakes)), (vec![], 0));
    }
}

#[test]
fn completes_without_an_error() {
    let _watchdog = support::watchdog();
    let stream = stream::iter(0..5).map(check).try_cancelable_stream(never()).keep_last(2);
    let (operation, partial) = (stream.operation(), stream.partial());
    assert_eq!(block_on(stream.try_collect::<Vec<_>>()), Ok(vec![0, 1, 2, 3, 4]));
    assert_eq!(operation.status(), Status::Completed);
    assert_eq!((partial.end(), partial.items()), (Some(StreamEnd::Complete), vec![3, 4]));
}

#[test]
fn cancellation_is_converted() {
    let _watchdog = support::watchdog();
    for waits in [false, true] {
        let ((results, tap), wakes, token) = (results(), Wakes::new(), CancellationToken::new());
        let stream = results.try_cancelable_stream(&token).keep_last(9);
        let (operation, partial) = (stream.operation(), stream.partial());
        let mut stream = pin!(stream);
        tap.push(1);
        assert_eq!(next(stream.as_mut(), &wakes), value(1));
        if waits {
            assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        } else {
            // The source is polled before the item.
            tap.push(107);
        }
        token.cancel_with("stop");
        assert_eq!(wakes.count(), usize::from(waits));
        assert_eq!(next(stream.as_mut(), &wakes), stopped("stop"));
        assert_eq!(next(stream.as_mut(), &wakes), end());
        assert_eq!((operation.status(), partial.items()), (Status::Cancelled, vec![1]));
        assert_eq!(partial.end(), Some(StreamEnd::Cancelled));
    }
}

#[test]
fn source_wins_first_poll() {
    let _watchdog = support::watchdog();
    let ((results, tap), wakes, token) = (results(), Wakes::new(), CancellationToken::new());
    token.cancel_with("stop");
    tap.push(107);
    let mut stream = pin!(results.try_cancelable_stream(&token));
    assert_eq!(next(stream.as_mut(), &wakes), stopped("stop"));
    assert_eq!((tap.polls(), tap.drops()), (0, 1));
}

#[test]
fn error_with_a_cause_is_cancelled() {
    let _watchdog = support::watchdog();
    // The stream itself notices that the token is cancelled while the stream is being polled.
    let (wakes, token, log) = (Wakes::new(), CancellationToken::new(), Log::new());
    let checks = stream::iter(0..).map(|number| {
        if number == 2 {
            token.cancel_with("stop");
        }
        token.check().map(|()| number).map_err(Failure::from)
    });
    let stream = checks.try_cancelable_stream(&token);
    let (operation, partial) = (stream.operation(), stream.partial());
    log.watch(&operation);
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), value(0));
    assert_eq!(next(stream.as_mut(), &wakes), value(1));
    assert_eq!(next(stream.as_mut(), &wakes), stopped("stop"));
    assert_eq!(log.take(), ["hook: cancelled: stop"]);
    assert_eq!((partial.end(), partial.count()), (Some(StreamEnd::Cancelled), 2));
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
}

#[test]
fn inner_limit_is_a_failure() {
    let _watchdog = support::watchdog();
    // If the race of a single item is cancelled, its `Err` is a failure of the stream around it.
    let inner = CancellationToken::new();
    inner.cancel_with("inner");
    let items = stream::once(async { 1_u32 }.cancelable(&inner)).map_err(Failure::from);
    let stream = items.try_cancelable_stream(never());
    let operation = stream.operation();
    let items: Vec<_> = block_on(stream.collect());
    assert_eq!(items, [Err(Cancelled::new("inner").into())]);
    assert_eq!((operation.status(), operation.reason()), (Status::Failed, None));
}

#[test]
fn chunks_before_the_error() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        for keep in [0, 1, 9] {
            let ((results, tap), wakes) = (results(), Wakes::new());
            let stream = results.try_cancelable_stream(never()).keep_last(keep).chunks(2);
            let partial: Option<Partial<u32>> = named.then(|| stream.partial());
            let mut stream = pin!(stream);
            for number in [1, 2, 3, 107, 4] {
                tap.push(number);
            }
            assert_eq!(next(stream.as_mut(), &wakes), value(vec![1, 2]));
            assert_eq!(next(stream.as_mut(), &wakes), bad(107), "no incomplete chunk before it");
            assert_eq!(next(stream.as_mut(), &wakes), end());
            if let Some(partial) = partial {
                let expected: &[u32] = if keep == 9 { &[1, 2, 3] } else { &[3] };
                assert_eq!((partial.count(), partial.take()), (3, expected.to_vec()));
                assert_eq!(partial.end(), Some(StreamEnd::Failed));
            }
        }
    }
}

#[test]
fn last_chunk_of_a_stream_without_an_error() {
    let _watchdog = support::watchdog();
    let stream = stream::iter(0..3).map(check).try_cancelable_stream(never()).chunks(2);
    let operation = stream.operation();
    assert_eq!(block_on(stream.try_collect::<Vec<_>>()), Ok(vec![vec![0, 1], vec![2]]));
    assert_eq!(operation.status(), Status::Completed);
}

#[test]
fn clean_up_gets_the_error() {
    let _watchdog = support::watchdog();
    let ((results, tap), wakes, log, gate) = (results(), Wakes::new(), Log::new(), Gate::new());
    let (cleans, opens) = (log.clone(), gate.clone());
    let stream = results.try_cancelable_stream(never()).finally(move |outcome| {
        cleans.note(format_args!("{outcome:?}"));
        async move {
            opens.pass().await;
            cleans.note("cleaned up");
        }
    });
    log.watch(&stream.operation());
    let mut stream = pin!(stream);
    tap.push(107);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!((log.take(), tap.drops()), (vec!["Ok(Err(Bad(107)))".to_owned()], 1));
    assert!(!stream.is_terminated());
    gate.open();
    assert_eq!(next(stream.as_mut(), &wakes), bad(107));
    assert_eq!(log.take(), ["cleaned up", "failed: bad item 107"]);
    assert!(stream.is_terminated());
}

#[test]
fn dropped_in_the_middle() {
    let _watchdog = support::watchdog();
    let ((results, tap), wakes, log) = (results(), Wakes::new(), Log::new());
    let (sender, receiver) = channel();
    let stream = results.try_cancelable_stream(never()).chunks(3).finally_or_spawn(
        block_on,
        move |outcome| {
            sender.send(format!("{outcome:?}")).unwrap();
            async {}
        },
    );
    let partial = stream.partial();
    log.watch(&stream.operation());
    let mut stream = Box::pin(stream);
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!(partial.end(), None);
    drop(stream);
    assert_eq!((partial.end(), partial.items()), (Some(StreamEnd::Dropped), vec![1]));
    assert!(receiver.recv().unwrap().contains("Err(Cancelled"));
    assert_eq!((log.take(), tap.drops()), (vec!["hook: dropped before it was done".to_owned()], 1));
}

#[test]
fn dropped_while_cleaning_up_after_an_error() {
    let _watchdog = support::watchdog();
    let ((results, tap), wakes, log) = (results(), Wakes::new(), Log::new());
    let lost_hook = log.clone();
    let stream = results.try_cancelable_stream(never()).finally(|_| std::future::pending());
    let stream = stream.on_clean_up_lost(move |_| lost_hook.note("clean-up lost"));
    let partial = stream.partial();
    log.watch(&stream.operation());
    let mut stream = Box::pin(stream);
    tap.push(107);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!((partial.end(), tap.drops()), (None, 1));
    drop(stream);
    assert_eq!(partial.end(), Some(StreamEnd::Dropped));
    assert_eq!(log.take(), ["hook: dropped before it was done", "clean-up lost"]);
}

#[test]
fn panic_fails_it() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let broken = stream::iter(0..).map(|number| {
        assert!(number < 2, "two");
        check(number)
    });
    let stream = broken.try_cancelable_stream(never()).chunks(5);
    let partial = stream.partial();
    let mut stream = pin!(stream);
    assert_eq!(panic_of(|| next(stream.as_mut(), &wakes)), "two");
    assert_eq!((partial.end(), partial.items()), (Some(StreamEnd::Failed), vec![0, 1]));
    assert_eq!(next(stream.as_mut(), &wakes), end());
}

/// An error whose text cannot be printed.
#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no text")
    }
}

impl From<Cancelled> for Unprintable {
    fn from(_: Cancelled) -> Self {
        Unprintable
    }
}

#[test]
fn g13_unprintable_error() {
    let _watchdog = support::watchdog();
    let stream = stream::iter([Ok(1), Err(Unprintable)]).try_cancelable_stream(never());
    let (operation, partial) = (stream.operation(), stream.partial());
    assert!(matches!(block_on(stream.try_collect::<Vec<u32>>()), Err(Unprintable)));
    assert_eq!((operation.status(), partial.count()), (Status::Failed, 1));
}

/// A value that panics when it is cloned or dropped.
struct Hostile(bool);

impl Clone for Hostile {
    fn clone(&self) -> Self {
        panic!("a clone")
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "a destructor");
    }
}

#[test]
fn panic_in_clone_fails_it() {
    let _watchdog = support::watchdog();
    let items = stream::iter([Ok::<_, Failure>(Hostile(false))]);
    let stream = items.try_cancelable_stream(never()).keep_last(1);
    let (operation, partial) = (stream.operation(), stream.partial());
    assert_eq!(panic_of(|| block_on(stream.count())), "a clone");
    assert_eq!((operation.status(), partial.take().len()), (Status::Failed, 0));
}

#[test]
fn g13_destructor_after_an_error() {
    let _watchdog = support::watchdog();
    let (wakes, log, bomb) = (Wakes::new(), Log::new(), Hostile(true));
    let items = stream::iter([1, 107]).map(move |number| {
        let _held = &bomb;
        check(number)
    });
    let cleans = log.clone();
    let stream = items.try_cancelable_stream(never()).finally(move |outcome| {
        cleans.note(format_args!("{outcome:?}"));
        async {}
    });
    log.watch(&stream.operation());
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), value(1));
    assert_eq!(panic_of(|| next(stream.as_mut(), &wakes)), "a destructor");
    assert_eq!(log.take(), ["Ok(Err(Bad(107)))", "failed: panicked: a destructor"]);
    assert_eq!(next(stream.as_mut(), &wakes), end());
}

#[test]
fn g10_error_while_a_shield_keeps_it() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let ((results, tap), wakes, token) = (results(), Wakes::new(), CancellationToken::new());
        let gate = Gate::new();
        let shielded = stream::once(shield(gate.pass()).map_into(1));
        let stream = stream::select(shielded, results).try_cancelable_stream(&token);
        let operation = named.then(|| stream.operation());
        let mut stream = pin!(stream);
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        token.cancel_with("stop");
        tap.push(1);
        assert_eq!(next(stream.as_mut(), &wakes), value(1), "the shield keeps it");
        tap.push(107);
        assert_eq!(next(stream.as_mut(), &wakes), bad(107), "its own error ends it");
        assert_eq!(next(stream.as_mut(), &wakes), end());
        assert!(operation.is_none_or(|operation| operation.status() == Status::Cancelled));
        assert_eq!((tap.drops(), kept(&wakes)), (1, 0));
    }
}

/// A future of `()` whose value is replaced.
trait MapInto: Future<Output = ()> + Sized {
    async fn map_into(self, number: u32) -> Result<u32, Failure> {
        self.await;
        Ok(number)
    }
}

impl<F: Future<Output = ()>> MapInto for F {}

#[cfg(feature = "time")]
#[test]
fn error_within_grace() {
    let _watchdog = support::watchdog();
    let ((results, tap), wakes, token) = (results(), Wakes::new(), CancellationToken::new());
    let hour = std::time::Duration::from_secs(3600);
    let stream = results.try_cancelable_stream(&token).grace(hour).keep_last(9);
    let (operation, partial) = (stream.operation(), stream.partial());
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    token.cancel_with("stop");
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), value(1));
    tap.push(107);
    assert_eq!(next(stream.as_mut(), &wakes), bad(107));
    assert_eq!((operation.status(), partial.items()), (Status::Cancelled, vec![1]));
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
}

#[cfg(feature = "time")]
#[test]
fn g06_fired_source_is_not_polled_again() {
    let _watchdog = support::watchdog();
    let ((results, tap), wakes, token) = (results(), Wakes::new(), CancellationToken::new());
    let (fired, asked) = (std::cell::Cell::new(0), token.clone());
    let source = std::future::poll_fn(|cx| {
        let polled = pin!(asked.cancelled()).poll(cx);
        fired.set(fired.get() + usize::from(polled.is_ready()));
        polled
    });
    let hour = std::time::Duration::from_secs(3600);
    let mut stream = pin!(results.try_cancelable_stream(source).grace(hour));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    token.cancel_with("stop");
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    tap.push(107);
    assert_eq!(next(stream.as_mut(), &wakes), bad(107));
    assert_eq!(fired.get(), 1);
}

#[cfg(feature = "time")]
#[test]
fn forced_after_grace() {
    let _watchdog = support::watchdog();
    let ((results, _tap), wakes, token) = (results(), Wakes::new(), CancellationToken::new());
    let limit = std::time::Duration::from_millis(2);
    let mut stream = pin!(results.try_cancelable_stream(&token).grace(limit));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    token.cancel_with("stop");
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    let woken = wakes.count();
    wakes.wait(woken + 1);
    let polled = next(stream.as_mut(), &wakes);
    let Poll::Ready(Some(Err(Failure::Cancelled(cancelled)))) = polled else {
        panic!("{polled:?}")
    };
    assert!(cancelled.was_forced());
}

#[cfg(feature = "time")]
#[test]
fn idle_timeout_is_converted() {
    let _watchdog = support::watchdog();
    let limit = std::time::Duration::from_millis(2);
    let (results, tap) = results();
    tap.push(1);
    let stream = results.try_cancelable_stream(never()).idle_timeout(limit);
    let items: Vec<_> = block_on(stream.collect());
    assert_eq!(items, [Ok(1), Err(Cancelled::new(Reason::timeout(limit)).into())]);
}

#[test]
fn g10_stopped_stream_keeps_the_error() {
    let _watchdog = support::watchdog();
    // A race around the consumer is cancelled during clean-up. The race has only borrowed the stream.
    let ((results, tap), wakes, token) = (results(), Wakes::new(), CancellationToken::new());
    let gate = Gate::new();
    let opens = gate.clone();
    let stream =
        results.try_cancelable_stream(never()).finally(move |_| async move { opens.pass().await });
    let operation = stream.operation();
    let mut stream = pin!(stream);
    tap.push(107);
    {
        let work = async { panic!("it continued: {:?}", stream.next().await) };
        let mut run = pin!(work.cancelable(&token));
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert!(wakes.poll(run.as_mut()).is_pending(), "clean-up has to end first");
        gate.open();
        assert_eq!(lost::<()>(wakes.poll(run.as_mut())), Reason::manual("stop"));
    }
    assert_eq!(operation.status(), Status::Failed);
    assert_eq!(next(stream.as_mut(), &wakes), bad(107));
    assert_eq!(next(stream.as_mut(), &wakes), end());
}

#[test]
fn parent_of_a_failed_stream_continues() {
    let _watchdog = support::watchdog();
    let work = scope(never(), async |operation: Operation| {
        let lines =
            stream::iter([1, 107, 2]).map(check).try_cancelable_stream(never()).named("lines");
        let child = lines.operation();
        assert_eq!(lines.try_collect::<Vec<_>>().await, Err(Failure::Bad(107)));
        assert_eq!(child.parent_id(), Some(operation.id()));
        (child.status(), operation.is_cancelled())
    });
    assert_eq!(block_on(work), Ok((Status::Failed, false)));
}

#[test]
fn error_after_many_items() {
    let _watchdog = support::watchdog();
    // The error comes on the fast path, or just when the source registers.
    for items in [0_u32, 1, 62, 63, 64, 65, 66, 99] {
        let (wakes, token) = (Wakes::new(), CancellationToken::new());
        let numbers = (0..items).chain([100]).chain(0..);
        let mut stream = pin!(stream::iter(numbers).map(check).try_cancelable_stream(&token));
        for number in 0..items {
            assert_eq!(next(stream.as_mut(), &wakes), value(number));
        }
        assert_eq!(next(stream.as_mut(), &wakes), bad(100));
        assert_eq!(next(stream.as_mut(), &wakes), end());
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn progress_counts_values() {
    let _watchdog = support::watchdog();
    let stream =
        stream::iter([1, 2, 3, 107]).map(check).try_cancelable_stream(never()).report_every(1);
    let operation = stream.operation();
    assert_eq!(block_on(stream.count()), 4);
    assert_eq!(operation.snapshot().progress.unwrap().get("items"), Some("3"));
}

#[test]
fn auto_traits() {
    fn has_all<T: Send + Sync + Unpin>(_: &T) {}
    let _watchdog = support::watchdog();
    let (results, _tap) = results();
    let stream = results.try_cancelable_stream(CancellationToken::new()).keep_last(2).chunks(2);
    has_all(&stream);
    has_all(&stream.partial());
    // Values that are not `Send` work too.
    let local =
        stream::iter([Ok::<_, Failure>(Rc::new(1))]).try_cancelable_stream(never()).keep_last(1);
    let polled = pin!(local).poll_next(&mut Context::from_waker(&Wakes::new().waker()));
    assert_eq!(polled, value(Rc::new(1)));
}

#[test]
fn words_of_the_end() {
    let ends = [StreamEnd::Complete, StreamEnd::Failed, StreamEnd::Cancelled, StreamEnd::Dropped];
    assert_eq!(ends.map(|end| end.to_string()), ["complete", "failed", "cancelled", "dropped"]);
    assert_eq!(format!("{:>10}", StreamEnd::Failed), "    failed");
}
