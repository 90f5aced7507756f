//! `linked`: takes over the reason of the first cancelled token.

use super::*;

#[test]
fn keeps_the_reason() {
    let _watchdog = support::watchdog();
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let either = CancellationToken::linked([&first, &second]);
    let mut wait = pin!(either.cancelled());
    let wakes = Wakes::new();
    assert!(wakes.poll(wait.as_mut()).is_pending());
    second.cancel_with("second");
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll_once(wait), Poll::Ready(Reason::manual("second")));
    assert!(first.cancel_with("late"));
    assert_eq!(either.reason(), Some(Reason::manual("second")));
}

#[test]
fn to_cancelled_token() {
    let _watchdog = support::watchdog();
    let tokens: Vec<_> = (0..4).map(|_| CancellationToken::new()).collect();
    tokens[2].cancel_with("third");
    tokens[1].cancel_with("second");
    // The token that is listed first counts, not the one that was cancelled first.
    let linked = CancellationToken::linked(&tokens);
    assert_eq!(linked.reason(), Some(Reason::manual("second")));
    assert!(!tokens[0].is_cancelled() && !tokens[3].is_cancelled());
}

#[test]
fn to_several() {
    let _watchdog = support::watchdog();
    for place in 0..5 {
        let tokens: Vec<_> = (0..5).map(|_| CancellationToken::new()).collect();
        let linked = CancellationToken::linked(&tokens);
        assert!(!linked.is_cancelled());
        tokens[place].cancel_with(place.to_string());
        assert_eq!(linked.reason(), Some(Reason::manual(place.to_string())));
    }
}

#[test]
fn does_not_cancel_parents() {
    let _watchdog = support::watchdog();
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let either = CancellationToken::linked([&first, &second]);
    assert!(either.cancel());
    assert!(!first.is_cancelled() && !second.is_cancelled());
    assert!(first.cancel());
    assert_eq!(either.reason(), Some(Reason::Manual { message: None }));
}

#[test]
fn to_the_same_twice() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    drop(CancellationToken::linked([&token, &token]));
    let linked = CancellationToken::linked([&token, &token, &token]);
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = runs.clone();
    let _registration = linked.on_cancel(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    token.cancel_with("once");
    assert_eq!(linked.reason(), Some(Reason::manual("once")));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[test]
fn to_none() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::linked([]);
    assert!(!token.is_cancelled());
    assert!(token.cancel_with("alone"));
    assert_eq!(token.reason(), Some(Reason::manual("alone")));
}

#[test]
fn to_child() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let linked = CancellationToken::linked([&parent.child_token()]);
    let below = linked.child_token();
    parent.cancel_with("closing");
    let expected = Some(Reason::parent(Reason::manual("closing")));
    assert_eq!((linked.reason(), below.reason()), (expected.clone(), expected));
}
