//! `drop_guard` and `disarm`.

use super::*;

#[test]
fn cancels_when_dropped() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let guard = token.drop_guard();
    assert!(!token.is_cancelled());
    drop(guard);
    assert_eq!(token.reason(), Some(Reason::Dropped));
}

#[test]
fn cancels_on_panic() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let guard = token.drop_guard();
    let unwound = std::panic::catch_unwind(|| {
        let _guard = guard;
        panic!("on purpose");
    });
    assert!(unwound.is_err());
    assert_eq!(token.reason(), Some(Reason::Dropped));
}

#[test]
fn disarm() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let back = token.drop_guard().disarm();
    assert_eq!(back, token);
    assert!(!token.is_cancelled());
}

#[test]
fn on_cancelled_token() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let guard = token.drop_guard();
    assert!(format!("{guard:?}").starts_with("DropGuard"), "{guard:?}");
    token.cancel_with("first");
    drop(guard);
    assert_eq!(token.reason(), Some(Reason::manual("first")));
}
