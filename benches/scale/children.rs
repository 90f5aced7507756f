//! Measures child tokens: making and dropping one, cancelling a parent of many, and cancelling long chains.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cancelable::CancellationToken;
use tokio_util::sync::CancellationToken as TokioToken;

use crate::measure::{Contestant, timed};
use crate::table::Table;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// A waker that does nothing, so that only the time to find and to wake the waiters is measured.
struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// Polls the future of a wait once, so that it registers.
fn begin<F: Future>(wait: Pin<&mut F>, waker: &Waker) {
    assert!(wait.poll(&mut Context::from_waker(waker)).is_pending());
}

pub(crate) fn rows(table: &mut Table) {
    made_and_dropped(table);
    parent_cancelled(table);
    chain(table);
}

fn made_and_dropped(table: &mut Table) {
    let ours = |size| {
        let parent = CancellationToken::new();
        timed(|| (0..size).for_each(|_| drop(black_box(parent.child_token())))).0
    };
    let theirs = |size| {
        let parent = TokioToken::new();
        timed(|| (0..size).for_each(|_| drop(black_box(parent.child_token())))).0
    };
    table.row(
        ("a child is made and dropped", Some(0.7)),
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );

    let waker = Waker::from(Arc::new(Ignore));
    let ours = |size| {
        let parent = CancellationToken::new();
        let one = |_| {
            let child = parent.child_token();
            begin(pin!(child.cancelled()), &waker);
        };
        timed(|| (0..size).for_each(one)).0
    };
    let theirs = |size| {
        let parent = TokioToken::new();
        let one = |_| {
            let child = parent.child_token();
            begin(pin!(child.cancelled()), &waker);
        };
        timed(|| (0..size).for_each(one)).0
    };
    table.row(
        ("a child is made, waited for, and dropped", Some(0.7)),
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );
}

fn parent_cancelled(table: &mut Table) {
    let ours = |size| {
        let parent = CancellationToken::new();
        let children: Vec<_> = (0..size).map(|_| parent.child_token()).collect();
        let (taken, _) = timed(|| parent.cancel());
        assert!(children.iter().all(CancellationToken::is_cancelled));
        taken
    };
    let theirs = |size| {
        let parent = TokioToken::new();
        let children: Vec<_> = (0..size).map(|_| parent.child_token()).collect();
        let (taken, ()) = timed(|| parent.cancel());
        assert!(children.iter().all(TokioToken::is_cancelled));
        taken
    };
    table.row(
        ("children without waiters: their parent is cancelled", Some(0.7)),
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );

    /// Measures `cancel` with one waiter for each child.
    fn waited<F: Future>(waits: impl Iterator<Item = F>, cancel: impl FnOnce()) -> Duration {
        let waker = Waker::from(Arc::new(Ignore));
        let mut waits: Vec<_> = waits.map(Box::pin).collect();
        waits.iter_mut().for_each(|wait| begin(wait.as_mut(), &waker));
        let (taken, ()) = timed(cancel);
        let mut cx = Context::from_waker(&waker);
        assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(&mut cx).is_ready()));
        taken
    }
    let ours = |size| {
        let parent = CancellationToken::new();
        let waits = (0..size).map(|_| parent.child_token().cancelled_owned());
        waited(waits, || {
            parent.cancel();
        })
    };
    let theirs = |size| {
        let parent = TokioToken::new();
        waited((0..size).map(|_| parent.child_token().cancelled_owned()), || parent.cancel())
    };
    table.row(
        ("children with a waiter each: their parent is cancelled", Some(0.7)),
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );
}

fn chain(table: &mut Table) {
    let ours = |size| {
        let root = CancellationToken::new();
        let mut chain = vec![root.child_token()];
        (1..size).for_each(|at| chain.push(chain[at - 1].child_token()));
        let (taken, ()) = timed(|| {
            root.cancel();
            assert!(chain.last().is_some_and(CancellationToken::is_cancelled));
            drop(chain);
        });
        taken
    };
    let theirs = |size| {
        let root = TokioToken::new();
        let mut chain = vec![root.child_token()];
        (1..size).for_each(|at| chain.push(chain[at - 1].child_token()));
        let (taken, ()) = timed(|| {
            root.cancel();
            assert!(chain.last().is_some_and(TokioToken::is_cancelled));
            drop(chain);
        });
        taken
    };
    table.row(
        ("a chain of tokens is cancelled and dropped", Some(1.0)),
        &SIZES,
        vec![Contestant::new("cancelable", ours), Contestant::new("tokio-util", theirs)],
    );
}
