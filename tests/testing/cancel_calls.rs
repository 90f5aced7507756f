//! `CancelCalls`.

use std::thread;

use cancelable::prelude::*;
use cancelable::testing::CancelCalls;

use crate::support;

#[test]
fn first_and_refused() {
    let token = CancellationToken::new();
    token.cancel();
    let calls = CancelCalls::of(&token);
    assert_eq!((calls.first(), calls.refused()), (0, 0), "counts from the call of `of`");
    token.clone().cancel_with("again");
    assert_eq!((calls.first(), calls.refused()), (0, 1));
}

#[test]
fn relatives_do_not_count() {
    let parent = CancellationToken::new();
    let (child, other) = (parent.child_token(), CancellationToken::new());
    let calls = [&parent, &child, &other].map(CancelCalls::of);
    parent.cancel();
    child.cancel();
    let counts = calls.map(|calls| (calls.first(), calls.refused()));
    assert_eq!(counts, [(1, 0), (0, 1), (0, 0)]);
}

#[test]
fn many_threads() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let calls = CancelCalls::of(&token);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).filter(|_| token.cancel()).count());
        }
    });
    assert_eq!((calls.first(), calls.refused()), (1, 399));
}

#[test]
fn of_an_operation() {
    let run = async {}.cancelable(never());
    let operation = run.operation();
    let calls = CancelCalls::of(&operation.token());
    assert!(operation.cancel() && !operation.cancel());
    assert_eq!((calls.first(), calls.refused()), (1, 1));
}
