//! Everything that a race is given is dropped exactly once, however the race ends.

use std::error::Error;
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use cancelable::source::BoxSource;
use cancelable::{Cancelable, CancelableExt, CancellationToken, Reason, all_of, any_of};

use crate::support::{self, poll_once};

/// A value that counts how many of its clones exist. It is used for everything that is passed to a race: the error of a
/// reason, the value, and parts of the work and of the source.
#[derive(Clone, Debug)]
struct Counted(Arc<()>);

impl Counted {
    fn new() -> Self {
        Counted(Arc::new(()))
    }

    /// Returns how many clones exist, this one included.
    fn alive(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("counted")
    }
}

impl Error for Counted {}

/// One value for each part of a race. Each part holds a clone, and the test keeps the original.
struct Parts {
    work: Counted,
    value: Counted,
    source: Counted,
    error: Counted,
    token: CancellationToken,
}

impl Parts {
    fn new() -> Self {
        let [work, value, source, error] = [(); 4].map(|()| Counted::new());
        Parts { work, value, source, error, token: CancellationToken::new() }
    }

    /// Returns how many clones exist of the work, the value, the source and the error of the
    /// reason.
    fn alive(&self) -> [usize; 4] {
        [&self.work, &self.value, &self.source, &self.error].map(|part| part.alive() - 1)
    }

    /// Makes a race whose work is ready at poll `ready_at` and panics at poll `panics_at`, counted
    /// from 1; 0 is never.
    fn race(
        &self,
        ready_at: usize,
        panics_at: usize,
    ) -> Cancelable<impl Future<Output = Counted> + use<>, impl Future<Output = Reason> + use<>>
    {
        let (work, value) = (self.work.clone(), self.value.clone());
        let (source, mut waiting) = (self.source.clone(), self.token.clone().cancelled_owned());
        let mut polls = 0;
        let mut value = Some(value);
        let work = std::future::poll_fn(move |_| {
            let _held = &work;
            polls += 1;
            assert!(polls != panics_at, "the work panics");
            match value.take_if(|_| polls == ready_at) {
                Some(value) => Poll::Ready(value),
                None => Poll::Pending,
            }
        });
        work.cancelable(std::future::poll_fn(move |cx| {
            let _held = &source;
            Pin::new(&mut waiting).poll(cx)
        }))
    }

    fn cancel(&self) {
        assert!(self.token.cancel_with(Reason::error(self.error.clone())));
    }
}

#[test]
fn g09_dropped_once_if_the_work_wins() {
    let _watchdog = support::watchdog();
    for ready_at in 1..4 {
        let parts = Parts::new();
        let mut race = Box::pin(parts.race(ready_at, 0));
        for _ in 1..ready_at {
            assert!(poll_once(race.as_mut()).is_pending());
            assert_eq!(parts.alive(), [1, 1, 1, 0]);
        }
        let outcome = poll_once(race.as_mut());
        assert_eq!(parts.alive(), [0, 1, 0, 0], "only the value is left");
        drop(race);
        assert_eq!(parts.alive(), [0, 1, 0, 0]);
        drop(outcome);
        assert_eq!(parts.alive(), [0, 0, 0, 0]);
    }
}

#[test]
fn g09_dropped_once_if_the_source_wins() {
    let _watchdog = support::watchdog();
    for polls in 0..4 {
        let mut parts = Parts::new();
        let mut race = Box::pin(parts.race(0, 0));
        for _ in 0..polls {
            assert!(poll_once(race.as_mut()).is_pending());
        }
        parts.cancel();
        let outcome = poll_once(race.as_mut());
        assert_eq!(parts.alive(), [0, 0, 0, 1], "only the error is left, shared with the token");
        drop(race);
        parts.token = CancellationToken::new();
        assert_eq!(parts.alive(), [0, 0, 0, 1], "by the outcome alone");
        let Poll::Ready(Err(cancelled)) = outcome else { panic!("the source won") };
        let copy = cancelled.clone();
        assert!(cancelled.into_reason().downcast_ref::<Counted>().is_some());
        assert_eq!(parts.alive(), [0, 0, 0, 1], "by its clone");
        drop(copy);
        assert_eq!(parts.alive(), [0, 0, 0, 0]);
    }
}

#[test]
fn g09_dropped_once_in_a_tie() {
    let _watchdog = support::watchdog();
    let mut parts = Parts::new();
    let mut race = Box::pin(parts.race(2, 0));
    assert!(poll_once(race.as_mut()).is_pending());
    parts.cancel();
    let outcome = poll_once(race.as_mut());
    assert!(matches!(outcome, Poll::Ready(Ok(_))));
    assert_eq!(parts.alive(), [0, 1, 0, 1]);
    parts.token = CancellationToken::new();
    assert_eq!(parts.alive(), [0, 1, 0, 0], "the reason that lost is not kept by the race");
    drop((outcome, race));
    assert_eq!(parts.alive(), [0, 0, 0, 0]);
}

#[test]
fn g09_dropped_once_with_the_race() {
    let _watchdog = support::watchdog();
    for polls in 0..4 {
        let parts = Parts::new();
        let mut race = Box::pin(parts.race(0, 0));
        for _ in 0..polls {
            assert!(poll_once(race.as_mut()).is_pending());
        }
        assert_eq!(parts.alive(), [1, 1, 1, 0]);
        drop(race);
        assert_eq!(parts.alive(), [0, 0, 0, 0]);
    }
}

#[test]
fn g09_dropped_once_after_a_panic() {
    let _watchdog = support::watchdog();
    for (panics_at, cancelled) in [(1, false), (2, false), (2, true)] {
        let mut parts = Parts::new();
        let mut race = Box::pin(parts.race(0, panics_at));
        for _ in 1..panics_at {
            assert!(poll_once(race.as_mut()).is_pending());
        }
        if cancelled {
            parts.cancel();
        }
        let caught = catch_unwind(AssertUnwindSafe(|| poll_once(race.as_mut()).is_pending()));
        assert!(caught.is_err());
        drop(race);
        parts.token = CancellationToken::new();
        assert_eq!(parts.alive(), [0, 0, 0, 0]);
    }
}

#[test]
fn g09_dropped_once_in_lists() {
    let _watchdog = support::watchdog();
    let (a, b) = (Counted::new(), Counted::new());
    let source = |held: &Counted, fires: bool| {
        let (held, reason) = (held.clone(), Reason::error(held.clone()));
        Box::pin(std::future::poll_fn(move |_| {
            let _held = &held;
            if fires { Poll::Ready(reason.clone()) } else { Poll::Pending }
        })) as BoxSource<'static>
    };
    let check = |list: &dyn Fn() -> BoxSource<'static>, fires: bool| {
        // The list is dropped without a poll, or after a poll in which it fired or stayed pending.
        drop(list());
        assert_eq!((a.alive(), b.alive()), (1, 1));
        let mut polled = list();
        let reason = poll_once(polled.as_mut());
        assert_eq!(reason.is_ready(), fires);
        drop(polled);
        drop(reason);
        assert_eq!((a.alive(), b.alive()), (1, 1));
    };
    check(&|| Box::pin(any_of((source(&a, false), source(&b, true)))), true);
    check(&|| Box::pin(any_of([source(&a, false), source(&b, true)])), true);
    check(&|| Box::pin(any_of([source(&a, false), source(&b, false)])), false);
    check(&|| Box::pin(all_of((source(&a, true), source(&b, false)))), false);
    check(&|| Box::pin(all_of([source(&a, true), source(&b, false)])), false);
    check(&|| Box::pin(all_of((source(&a, true), source(&b, true)))), true);
    check(&|| Box::pin(all_of(vec![source(&a, true), source(&b, true)])), true);
    let long = || (0..40).map(|i| source(if i % 2 == 0 { &a } else { &b }, i != 7)).collect();
    check(&|| Box::pin(all_of::<Vec<_>>(long())), false);
    check(&|| Box::pin(any_of::<Vec<_>>(long())), true);
    check(&|| Box::pin(ready(a.clone()).because(Reason::error(b.clone()))), true);
}
