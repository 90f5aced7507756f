//! `all_of` and `a & b`.

mod long_vec;
mod nesting;
mod operators;
mod tuples;

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::source::BoxSource;
use futures::future::FusedFuture;

use crate::lists::common_tests;
use crate::support::{self, Clock, Tally, Wakes, block_on, poll_once};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

/// Returns the reason that holds all of these messages.
fn all(messages: &[&'static str]) -> Reason {
    Reason::all(messages.iter().map(|message| Reason::manual(*message)))
}

/// The same tests for each kind of list, made of two tokens in that order.
macro_rules! suite {
    ($module:ident: |$first:ident, $second:ident| $list:expr $(, $more:item)*) => {
        mod $module {
            use super::*;

            $($more)*

            common_tests!(all_of, |$first, $second| $list);

            #[test]
            fn fires() {
                let _watchdog = support::watchdog();
                for fired in [0, 1] {
                    let ($first, $second) = tokens();
                    let mut source = pin!(all_of($list));
                    assert!(poll_once(source.as_mut()).is_pending());
                    [&$first, &$second][fired].cancel();
                    assert!(poll_once(source.as_mut()).is_pending());
                    [&$first, &$second][1 - fired].cancel();
                    assert!(poll_once(source).is_ready());
                }
            }

            #[test]
            #[should_panic(expected = "`AllOf` polled after completion")]
            fn fires_once() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                $first.cancel();
                $second.cancel();
                let mut source = pin!(all_of($list));
                assert!(poll_once(source.as_mut()).is_ready());
                let _ = poll_once(source);
            }

            #[test]
            fn reason() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(all_of($list));
                assert!(poll_once(source.as_mut()).is_pending());
                // The reasons are in the order of the list, not in the order in which the sources fired.
                $second.cancel_with("second");
                assert!(poll_once(source.as_mut()).is_pending());
                $first.cancel_with("first");
                assert_eq!(poll_once(source), Poll::Ready(all(&["first", "second"])));
            }

            #[test]
            fn already_fired() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                $first.cancel_with("first");
                $second.cancel_with("second");
                let tally = Tally::new();
                let run = tally.ready_at(1).cancelable(all_of($list));
                assert_eq!(block_on(run), Err(Cancelled::new(all(&["first", "second"]))));
                assert_eq!((tally.polls(), tally.drops()), (0, 1));
            }

            #[test]
            fn half_fired_is_not_fired() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                $second.cancel();
                assert_eq!(block_on(async { 7 }.cancelable(all_of($list))), Ok(7));
                assert!(!$first.is_cancelled());
            }

            #[test]
            fn pending_registers_waker() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(all_of($list));
                let wakes = Wakes::new();
                for _ in 0..10 {
                    assert!(wakes.poll(source.as_mut()).is_pending());
                }
                // The waker is registered with both tokens, then with the remaining one.
                assert_eq!((Arc::strong_count(&wakes), wakes.count()), (3, 0));
                $first.cancel();
                assert!(wakes.poll(source.as_mut()).is_pending());
                assert_eq!((Arc::strong_count(&wakes), wakes.count()), (2, 1));
                $second.cancel();
                assert_eq!((Arc::strong_count(&wakes), wakes.count()), (1, 2));
            }

            #[test]
            fn wakes_exactly_once() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(all_of($list));
                let wakes = Wakes::new();
                assert!(wakes.poll(source.as_mut()).is_pending());
                // The task is woken once for each token.
                $second.cancel();
                assert_eq!(wakes.count(), 1);
                assert!(wakes.poll(source.as_mut()).is_pending());
                $first.cancel();
                assert_eq!(wakes.count(), 2);
                assert!(wakes.poll(source).is_ready());
                assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (2, 1));
            }

            #[test]
            fn tie() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut run = pin!(Tally::new().ready_at(2).cancelable(all_of($list)));
                assert!(poll_once(run.as_mut()).is_pending());
                $second.cancel();
                $first.cancel();
                assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
            }

            #[test]
            fn drops_work_once() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let tally = Tally::new();
                let mut run = Box::pin(tally.ready_at(0).cancelable(all_of($list)));
                assert!(poll_once(run.as_mut()).is_pending());
                $first.cancel();
                assert!(poll_once(run.as_mut()).is_pending());
                assert_eq!(tally.drops(), 0);
                $second.cancel();
                assert!(poll_once(run.as_mut()).is_ready());
                assert_eq!(tally.drops(), 1);
                drop(run);
                assert_eq!(tally.drops(), 1);
            }

            #[test]
            fn debug() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(all_of($list));
                let shown = format!("{source:?}");
                assert!(shown.starts_with("AllOf") && shown.contains("cancelable::"), "{shown}");
                assert!(shown.contains("fired: false"), "{shown}");
                $first.cancel();
                $second.cancel();
                assert!(poll_once(source.as_mut()).is_ready());
                assert!(format!("{source:?}").contains("fired: true"), "{source:?}");
            }

            #[test]
            fn fused() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(all_of($list));
                assert!(!source.is_terminated());
                $first.cancel();
                assert!(poll_once(source.as_mut()).is_pending());
                assert!(!source.is_terminated());
                $second.cancel();
                assert!(poll_once(source.as_mut()).is_ready());
                assert!(source.is_terminated());
            }
        }
    };
}

suite! { tuple: |first, second| (&first, &second) }
suite! { array: |first, second| [&first, &second] }
suite! {
    vec: |first, second| vec![&first, &second],

    #[test]
    fn empty() {
        let _watchdog = support::watchdog();
        let mut source = pin!(all_of(Vec::<CancellationToken>::new()));
        let wakes = Wakes::new();
        for _ in 0..10 {
            assert!(wakes.poll(source.as_mut()).is_pending());
        }
        assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (0, 1));
        assert!(poll_once(pin!(all_of([] as [CancellationToken; 0]))).is_pending());
        assert!(poll_once(pin!(all_of(Box::<[CancellationToken]>::default()))).is_pending());
    },

    #[test]
    fn of_one() {
        let _watchdog = support::watchdog();
        let token = CancellationToken::new();
        let mut source = pin!(all_of(vec![&token]));
        assert!(poll_once(source.as_mut()).is_pending());
        token.cancel_with("stop");
        assert_eq!(poll_once(source), Poll::Ready(all(&["stop"])));
    }
}
suite! { boxed_slice: |first, second| Box::<[_]>::from([&first, &second]) }
suite! { collected: |first, second| [&first, &second].into_iter().collect::<Vec<_>>() }
suite! {
    boxed_sources: |first, second| {
        let sources: Vec<BoxSource<'_>> =
            vec![Box::pin(first.cancelled()), Box::pin((&second).into_future())];
        sources
    }
}

#[test]
fn fired_source_is_not_polled_again() {
    let _watchdog = support::watchdog();
    // If a source were polled after it has fired, it would panic and print the number of its polls.
    let (first, last) = (Tally::new(), Tally::new());
    let source = |tally: &Arc<Tally>, at| tally.ready_at(at).because("x");
    let mut tuple = Box::pin(all_of((source(&first, 1), source(&last, 5))));
    let mut vec = Box::pin(all_of(vec![source(&last, 0), source(&first, 0)]));
    for _ in 1..5 {
        assert!(poll_once(tuple.as_mut()).is_pending());
        // The reason is kept when the source fires, and the source is dropped.
        assert_eq!((first.polls(), first.drops()), (1, 1));
    }
    assert!(poll_once(tuple.as_mut()).is_ready());
    assert_eq!((first.polls(), last.polls(), last.drops()), (1, 5, 1));
    assert!(poll_once(vec.as_mut()).is_pending());
    drop(vec);
    let (first, last) = (Tally::new(), Tally::new());
    let mut vec = Box::pin(all_of(vec![source(&first, 1), source(&last, 5)]));
    for _ in 1..5 {
        assert!(poll_once(vec.as_mut()).is_pending());
        assert_eq!((first.polls(), first.drops()), (1, 1));
    }
    assert!(poll_once(vec.as_mut()).is_ready());
    assert_eq!((first.polls(), last.polls(), last.drops()), (1, 5, 1));
}

#[test]
fn reasons_in_order() {
    let _watchdog = support::watchdog();
    let fired = |message: &'static str| {
        let token = CancellationToken::new();
        token.cancel_with(message);
        token
    };
    let nested = all_of((
        all_of((fired("a"), all_of([fired("b"), fired("c")]))),
        any_of((never(), all_of(vec![fired("d")]))),
        fired("e"),
    ));
    assert_eq!(block_on(nested), all(&["a", "b", "c", "d", "e"]));
}

#[test]
fn longer_of_two_timeouts() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let longer = SHORT * 3;
    for lengths in [[SHORT, longer], [longer, SHORT]] {
        let start = clock.now();
        let reason = clock.block_on(all_of(lengths.map(timeout)));
        clock.assert_passed(start, longer);
        assert_eq!(reason.leaves(), lengths.map(Reason::timeout));
    }
    assert!(poll_once(pin!(timeout(Duration::ZERO) & timeout(LONG))).is_pending());
}

#[test]
fn option() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert!(poll_once(pin!(all_of(None::<&CancellationToken>))).is_pending());
    assert!(poll_once(pin!(all_of(Some(&token)))).is_pending());
    token.cancel_with("stop");
    assert_eq!(block_on(all_of(Some(&token))), Reason::all([Reason::manual("stop")]));
}
