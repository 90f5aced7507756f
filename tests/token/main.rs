//! `CancellationToken`, as a source and by itself.

#[path = "../support/mod.rs"]
mod support;

mod blocking;
mod callbacks;
mod cancelling;
mod children;
mod guard;
mod handles;
mod linked;
mod unregister;

use std::cell::RefCell;
use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::source::{DropGuard, Registration};
use cancelable::source::{WaitForCancellation, WaitForCancellationOwned};
use futures::future::FusedFuture;
use support::{Tally, Wakes, block_on, poll_once};

/// The same tests for each way to wait for a token. `tests/sources` has such tests for the other sources.
macro_rules! suite {
    ($($module:ident: |$token:ident| $wait:expr;)*) => {$(
        mod $module {
            use super::*;

            #[test]
            fn fires() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut wait = pin!($wait);
                assert!(poll_once(wait.as_mut()).is_pending());
                $token.cancel();
                assert!(poll_once(wait).is_ready());
            }

            #[test]
            #[should_panic(expected = "polled after completion")]
            fn fires_once() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                $token.cancel();
                let mut wait = pin!($wait);
                assert!(poll_once(wait.as_mut()).is_ready());
                let _ = poll_once(wait);
            }

            #[test]
            fn reason() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut wait = pin!($wait);
                assert!(poll_once(wait.as_mut()).is_pending());
                $token.cancel_with(Reason::Disconnected);
                assert_eq!(poll_once(wait), Poll::Ready(Reason::Disconnected));
            }

            #[test]
            fn already_fired() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                $token.cancel_with("before");
                let tally = Tally::new();
                let cancelled = block_on(tally.ready_at(1).cancelable($wait)).unwrap_err();
                assert_eq!(cancelled, Cancelled::new("before"));
                assert_eq!((tally.polls(), tally.drops()), (0, 1));
            }

            #[test]
            fn pending_registers_waker() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut wait = pin!($wait);
                let wakes = Wakes::new();
                assert!(wakes.poll(wait.as_mut()).is_pending());
                assert_eq!(Arc::strong_count(&wakes), 2);
                // Polling with the same waker registers nothing new.
                assert!(wakes.poll(wait.as_mut()).is_pending());
                assert_eq!((Arc::strong_count(&wakes), wakes.count()), (2, 0));
                $token.cancel();
                assert_eq!(wakes.count(), 1);
            }

            #[test]
            fn wakes_exactly_once() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut wait = pin!($wait);
                let wakes = Wakes::new();
                assert!(wakes.poll(wait.as_mut()).is_pending());
                $token.cancel();
                $token.cancel();
                assert!(wakes.poll(wait).is_ready());
                assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
            }

            #[test]
            fn changed_waker() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut wait = pin!($wait);
                let (first, last) = (Wakes::new(), Wakes::new());
                assert!(first.poll(wait.as_mut()).is_pending());
                assert!(last.poll(wait.as_mut()).is_pending());
                assert_eq!((Arc::strong_count(&first), Arc::strong_count(&last)), (1, 2));
                $token.cancel();
                assert_eq!((first.count(), last.count()), (0, 1));
            }

            #[test]
            fn drop_deregisters() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut wait = Box::pin($wait);
                let wakes = Wakes::new();
                assert!(wakes.poll(wait.as_mut()).is_pending());
                drop(wait);
                assert_eq!(Arc::strong_count(&wakes), 1);
                $token.cancel();
                assert_eq!(wakes.count(), 0);
            }

            #[test]
            fn tie() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut run = pin!(Tally::new().ready_at(2).cancelable($wait));
                assert!(poll_once(run.as_mut()).is_pending());
                $token.cancel();
                assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
            }

            #[test]
            fn drops_work_once() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let tally = Tally::new();
                let mut run = Box::pin(tally.ready_at(0).cancelable($wait));
                assert!(poll_once(run.as_mut()).is_pending());
                assert_eq!(tally.drops(), 0);
                $token.cancel();
                assert!(poll_once(run.as_mut()).is_ready());
                assert_eq!(tally.drops(), 1);
                drop(run);
                assert_eq!(tally.drops(), 1);
            }

            #[test]
            fn never_polled_registers_nothing() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let wakes = Wakes::new();
                // During the first poll of the work, only the waker of this poll exists: the source was polled with a probe
                // and registered nothing.
                let seen = std::future::poll_fn(|_| Poll::Ready(Arc::strong_count(&wakes)));
                let mut run = pin!(seen.cancelable($wait));
                assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(2)));
                assert_eq!(Arc::strong_count(&wakes), 1);
                drop($wait);
                assert!($token.cancel());
                assert_eq!(wakes.count(), 0);
            }

            #[test]
            fn probe_registers_nothing() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let wait = RefCell::new(Box::pin($wait));
                let source = std::future::poll_fn(|cx| wait.borrow_mut().as_mut().poll(cx));
                // The work prints the state that the source has while the work is first polled.
                let work = std::future::poll_fn(|_| Poll::Ready(format!("{:?}", wait.borrow())));
                let shown = block_on(work.cancelable(source)).unwrap();
                assert!(shown.contains("Idle"), "{shown}");
            }

            #[test]
            fn debug() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut wait = pin!($wait);
                assert!(format!("{wait:?}").contains("Idle"), "{wait:?}");
                assert!(poll_once(wait.as_mut()).is_pending());
                assert!(format!("{wait:?}").contains("Waiting"), "{wait:?}");
                $token.cancel();
                assert!(poll_once(wait.as_mut()).is_ready());
                assert!(format!("{wait:?}").starts_with("WaitForCancellation"), "{wait:?}");
                assert!(format!("{wait:?}").contains("Done"), "{wait:?}");
            }

            #[test]
            fn fused() {
                let _watchdog = support::watchdog();
                let $token = CancellationToken::new();
                let mut wait = pin!($wait);
                assert!(!wait.is_terminated());
                assert!(poll_once(wait.as_mut()).is_pending());
                $token.cancel();
                assert!(!wait.is_terminated());
                assert!(poll_once(wait.as_mut()).is_ready());
                assert!(wait.is_terminated());
            }
        }
    )*};
}

suite! {
    borrowed: |token| token.cancelled();
    owned: |token| token.clone().cancelled_owned();
    by_reference: |token| (&token).into_future();
    by_value: |token| token.clone().into_future();
}
