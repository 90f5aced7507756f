//! `any_of` and `a | b`.

mod nesting;
mod operators;
mod tuples;

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::source::BoxSource;
use futures::FutureExt;
use futures::future::FusedFuture;

use crate::lists::common_tests;
use crate::support::{self, Clock, Tally, Wakes, block_on, poll_once};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

/// The same tests for each kind of list, made of two tokens in that order.
macro_rules! suite {
    ($module:ident: |$first:ident, $second:ident| $list:expr $(, $more:item)*) => {
        mod $module {
            use super::*;

            $($more)*

            common_tests!(any_of, |$first, $second| $list);

            #[test]
            fn fires() {
                let _watchdog = support::watchdog();
                for fired in [0, 1] {
                    let ($first, $second) = tokens();
                    let mut source = pin!(any_of($list));
                    assert!(poll_once(source.as_mut()).is_pending());
                    [&$first, &$second][fired].cancel();
                    assert!(poll_once(source).is_ready());
                }
            }

            #[test]
            #[should_panic(expected = "`AnyOf` polled after completion")]
            fn fires_once() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                $second.cancel();
                let mut source = pin!(any_of($list));
                assert!(poll_once(source.as_mut()).is_ready());
                let _ = poll_once(source);
            }

            #[test]
            fn reason() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(any_of($list));
                assert!(poll_once(source.as_mut()).is_pending());
                $second.cancel_with("second");
                assert_eq!(poll_once(source), Poll::Ready(Reason::manual("second")));
            }

            #[test]
            fn already_fired() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                $second.cancel_with("before");
                let tally = Tally::new();
                let run = tally.ready_at(1).cancelable(any_of($list));
                assert_eq!(block_on(run), Err(Cancelled::new("before")));
                assert_eq!((tally.polls(), tally.drops()), (0, 1));
            }

            #[test]
            fn pending_registers_waker() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(any_of($list));
                let wakes = Wakes::new();
                for _ in 0..10 {
                    assert!(wakes.poll(source.as_mut()).is_pending());
                }
                // The waker is registered once with each token.
                assert_eq!((Arc::strong_count(&wakes), wakes.count()), (3, 0));
                $second.cancel();
                assert_eq!(wakes.count(), 1);
            }

            #[test]
            fn wakes_exactly_once() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(any_of($list));
                let wakes = Wakes::new();
                assert!(wakes.poll(source.as_mut()).is_pending());
                $first.cancel();
                assert!(wakes.poll(source).is_ready());
                // When one source has fired, the other one is no longer registered.
                $second.cancel();
                assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
            }

            #[test]
            fn tie() {
                let _watchdog = support::watchdog();
                // Of two ready sources, the first listed is reported.
                let ($first, $second) = tokens();
                let mut source = pin!(any_of($list));
                assert!(poll_once(source.as_mut()).is_pending());
                $second.cancel_with("second");
                $first.cancel_with("first");
                assert_eq!(poll_once(source), Poll::Ready(Reason::manual("first")));
                assert_eq!(block_on(any_of($list)), Reason::manual("first"));
                // If the work is ready too, it wins.
                let ($first, $second) = tokens();
                let mut run = pin!(Tally::new().ready_at(2).cancelable(any_of($list)));
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
                let mut run = Box::pin(tally.ready_at(0).cancelable(any_of($list)));
                assert!(poll_once(run.as_mut()).is_pending());
                $first.cancel();
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
                let mut source = pin!(any_of($list));
                let shown = format!("{source:?}");
                assert!(shown.starts_with("AnyOf") && shown.contains("cancelable::"), "{shown}");
                assert!(shown.contains("fired: false"), "{shown}");
                $first.cancel();
                assert!(poll_once(source.as_mut()).is_ready());
                assert!(format!("{source:?}").contains("fired: true"), "{source:?}");
            }

            #[test]
            fn fused() {
                let _watchdog = support::watchdog();
                let ($first, $second) = tokens();
                let mut source = pin!(any_of($list));
                assert!(!source.is_terminated());
                assert!(poll_once(source.as_mut()).is_pending());
                $second.cancel();
                assert!(!source.is_terminated());
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
        let mut source = pin!(any_of(Vec::<CancellationToken>::new()));
        let wakes = Wakes::new();
        for _ in 0..10 {
            assert!(wakes.poll(source.as_mut()).is_pending());
        }
        assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (0, 1));
        assert!(poll_once(pin!(any_of([] as [CancellationToken; 0]))).is_pending());
        assert!(poll_once(pin!(any_of(Box::<[CancellationToken]>::default()))).is_pending());
    },

    #[test]
    fn of_one() {
        let _watchdog = support::watchdog();
        let token = CancellationToken::new();
        let mut source = pin!(any_of(vec![&token]));
        assert!(poll_once(source.as_mut()).is_pending());
        token.cancel_with("stop");
        assert_eq!(poll_once(source), Poll::Ready(Reason::manual("stop")));
    },

    #[test]
    fn of_many() {
        let _watchdog = support::watchdog();
        for place in [0, 29, 30, 31, 99] {
            let tokens: Vec<_> = (0..100).map(|_| CancellationToken::new()).collect();
            let mut source = pin!(any_of(tokens.iter().collect::<Vec<_>>()));
            let wakes = Wakes::new();
            assert!(wakes.poll(source.as_mut()).is_pending());
            tokens[99].cancel_with("99");
            tokens[place].cancel_with(place.to_string());
            assert_eq!(poll_once(source), Poll::Ready(Reason::manual(place.to_string())));
            assert_eq!(Arc::strong_count(&wakes), 1);
        }
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
fn rest_is_not_polled() {
    let _watchdog = support::watchdog();
    let (first, second, third) = (Tally::new(), Tally::new(), Tally::new());
    let source = |tally: &Arc<Tally>, at| tally.ready_at(at).because("x");
    let mut sources = Box::pin(any_of((source(&first, 0), source(&second, 2), source(&third, 0))));
    assert!(poll_once(sources.as_mut()).is_pending());
    assert!(poll_once(sources.as_mut()).is_ready());
    assert_eq!((first.polls(), second.polls(), third.polls()), (2, 2, 1));
    // The other sources are dropped at once.
    assert_eq!((first.drops(), second.drops(), third.drops()), (1, 1, 1));
}

#[test]
fn shorter_of_two_timeouts() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    for sources in [[SHORT, LONG], [LONG, SHORT]] {
        let start = clock.now();
        assert_eq!(clock.block_on(any_of(sources.map(timeout))), Reason::timeout(SHORT));
        clock.assert_passed(start, SHORT);
    }
}

#[test]
fn option() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert!(poll_once(pin!(any_of(None::<&CancellationToken>))).is_pending());
    assert!(poll_once(pin!(any_of(Some(&token)))).is_pending());
    token.cancel_with("stop");
    assert_eq!(block_on(any_of(Some(&token))), Reason::manual("stop"));
}
