//! Every hook is dropped exactly once, whatever its kind, whenever it is added, and however the operation ends.
//!
//! Each hook owns a handle of its own operation. So the hook and the operation own each other until the operation drops the
//! hook.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use cancelable::prelude::*;
use futures::{Stream, StreamExt};

use crate::support::{self, Wakes};

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// How the operation ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Value,
    Error,
    Panic,
    Source,
    SourcePanics,
    Handle,
    Drop,
}

const ENDS: [End; 7] =
    [End::Value, End::Error, End::Panic, End::Source, End::SourcePanics, End::Handle, End::Drop];

/// When hooks are added.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Unpolled,
    Polled,
    /// After the end, while the future still exists.
    Ended,
    /// After the end and the drop of the future.
    Dropped,
}

const WHEN: [When; 4] = [When::Unpolled, When::Polled, When::Ended, When::Dropped];

/// Counts how many hooks were made, and how many were dropped.
#[derive(Clone, Default)]
struct Hooks {
    made: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Hooks {
    fn hold(&self, operation: &Operation) -> Held {
        self.made.fetch_add(1, Ordering::SeqCst);
        Held { dropped: self.dropped.clone(), own: operation.clone() }
    }

    /// Returns the number of hooks that exist.
    fn left(&self) -> usize {
        self.made.load(Ordering::SeqCst).checked_sub(self.dropped.load(Ordering::SeqCst)).unwrap()
    }

    /// Adds one hook of each kind that a handle accepts.
    fn give(&self, operation: &Operation) {
        let [complete, cancel, error, progress] = [(); 4].map(|()| self.hold(operation));
        operation.on_complete(move |_| complete.called());
        operation.on_cancel(move |_, _| cancel.called());
        operation.on_error(move |_, _| error.called());
        operation.on_progress(move |_, _| progress.called());
    }
}

/// The values that a hook owns.
struct Held {
    dropped: Arc<AtomicUsize>,
    own: Operation,
}

impl Held {
    fn called(&self) {
        assert_eq!(self.own.name(), None);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns work that ends this way in its second poll.
fn work(end: End) -> Boxed<Result<u8, io::Error>> {
    Box::pin(async move {
        futures::pending!();
        match end {
            End::Value => Ok(7),
            End::Error => Err(io::Error::other("no disk")),
            End::Panic => panic!("on fire"),
            _ => std::future::pending().await,
        }
    })
}

/// Returns a stream that ends like [`work`].
fn stream(end: End) -> Pin<Box<dyn Stream<Item = Result<u8, io::Error>>>> {
    let once = futures::stream::once(work(end));
    Box::pin(once.filter(|item| futures::future::ready(item.is_err())))
}

fn source(end: End, token: &CancellationToken) -> Boxed<Reason> {
    let token = token.clone();
    Box::pin(async move {
        let reason = token.cancelled().await;
        assert!(end != End::SourcePanics, "a broken source");
        reason
    })
}

fn clean_up(ends: bool) -> Boxed<()> {
    if ends { Box::pin(async {}) } else { Box::pin(std::future::pending()) }
}

/// Adds one hook of each kind that the builder of the future accepts.
macro_rules! build {
    ($run:expr, $hooks:expr) => {{
        let run = $run;
        let operation = run.operation();
        let held = || $hooks.hold(&operation);
        let (start, progress, complete) = (held(), held(), held());
        let (cancel, error, lost) = (held(), held(), held());
        run.on_start(move |_| start.called())
            .on_progress(move |_, _| progress.called())
            .on_complete(move |_| complete.called())
            .on_cancel(move |_, _| cancel.called())
            .on_error(move |_, _| error.called())
            .on_clean_up_lost(move |_| lost.called())
    }};
}

/// One life of an operation.
#[derive(Clone, Copy, Debug)]
struct Life<'a> {
    end: End,
    /// How often it is polled before the end.
    polls: usize,
    /// When hooks are added.
    given: &'a [When],
    /// Whether the future is dropped before the handle.
    future_first: bool,
}

/// Polls a future once.
macro_rules! poll_future {
    ($run:ident, $wakes:ident) => {
        $wakes.poll(Pin::new(&mut $run))
    };
}

/// Polls a stream once.
macro_rules! poll_stream {
    ($run:ident, $wakes:ident) => {
        $wakes.poll(pin!($run.next()))
    };
}

/// Takes an operation through its life, and checks that no hook is kept after the end.
macro_rules! live {
    ($make:expr, $poll:ident, $token:ident, $life:expr) => {{
        let Life { end, polls, given, future_first } = $life;
        let what = format!("{} in {:?}", stringify!($make), $life);
        let (mut run, wakes, hooks) = ($make, Wakes::new(), Hooks::default());
        let has = |when: When| given.contains(&when);
        if has(When::Unpolled) {
            run = build!(run, hooks);
            hooks.give(&run.operation());
        }
        for _ in 0..polls {
            assert!($poll!(run, wakes).is_pending(), "{what}");
        }
        if has(When::Polled) {
            run = build!(run, hooks);
            hooks.give(&run.operation());
        }
        let operation = run.operation();
        match end {
            End::Source | End::SourcePanics => _ = $token.cancel(),
            End::Handle => _ = operation.cancel(),
            _ => {}
        }
        let mut is_over = false;
        if end != End::Drop {
            let polled = catch_unwind(AssertUnwindSafe(|| $poll!(run, wakes)));
            is_over = matches!(polled, Ok(Poll::Ready(_))) || polled.is_err();
        }
        if is_over && has(When::Ended) {
            run = build!(run, hooks);
            hooks.give(&operation);
        }
        // The panic of a source ends the operation when the future is dropped.
        if is_over && end != End::SourcePanics {
            assert!(operation.status().is_final(), "{what}");
            assert_eq!(hooks.left(), 0, "after the end of {what}");
        }
        if future_first {
            drop(run);
            if has(When::Dropped) {
                hooks.give(&operation);
            }
            assert!(operation.status().is_final(), "{what}");
            assert_eq!(hooks.left(), 0, "after the drop of {what}");
        } else {
            drop(operation);
            drop(run);
        }
        assert_eq!(hooks.left(), 0, "{what}");
    }};
}

#[test]
fn g09_hooks_are_dropped_once() {
    let _watchdog = support::watchdog();
    for given in 0..1_usize << WHEN.len() {
        let given: Vec<_> =
            WHEN.into_iter().filter(|when| given >> *when as usize & 1 == 1).collect();
        for (end, future_first) in ENDS.into_iter().flat_map(|end| [(end, false), (end, true)]) {
            // The work ends in its second poll.
            let at_least = matches!(end, End::Value | End::Error | End::Panic);
            for polls in usize::from(at_least)..=1 {
                live_in_every_form(Life { end, polls, given: &given, future_first });
            }
        }
    }
}

/// Takes a race and a stream through a life, each without clean-up, with clean-up, and with clean-up that never ends.
fn live_in_every_form(life: Life<'_>) {
    let end = life.end;
    let token = CancellationToken::new();
    live!(work(end).try_cancelable(source(end, &token)), poll_future, token, life);
    let token = CancellationToken::new();
    let source = |token: &CancellationToken| source(end, token);
    live!(stream(end).try_cancelable_stream(source(&token)), poll_stream, token, life);
    for ends in [false, true] {
        let token = CancellationToken::new();
        let race = || work(end).try_cancelable(source(&token));
        live!(race().finally(|_| clean_up(ends)), poll_future, token, life);
        let token = CancellationToken::new();
        let race = || stream(end).try_cancelable_stream(source(&token));
        live!(race().finally(|_| clean_up(ends)), poll_stream, token, life);
    }
}
