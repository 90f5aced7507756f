//! Handles: equality, hashing, and dropping all of them.

use super::*;

#[test]
fn equality() {
    let _watchdog = support::watchdog();
    let (token, other) = (CancellationToken::new(), CancellationToken::default());
    assert_eq!(token, token.clone());
    assert_ne!(token, other);
    assert_ne!(token, token.child_token());
    // Equality does not depend on state.
    token.cancel();
    other.cancel();
    assert_ne!(token, other);
}

#[test]
#[expect(clippy::mutable_key_type, reason = "what changes in a token is not part of its hash")]
fn hash_by_identity() {
    let _watchdog = support::watchdog();
    let tokens: Vec<_> = (0..100).map(|_| CancellationToken::new()).collect();
    let mut set: HashSet<_> = tokens.iter().cloned().collect();
    assert_eq!(set.len(), 100);
    assert!(tokens.iter().all(|token| !set.insert(token.clone())));
    tokens[0].cancel();
    assert!(set.contains(&tokens[0]));
    assert!(!set.contains(&CancellationToken::new()));
}

#[test]
fn default_is_not_cancelled() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::default();
    assert!(!token.is_cancelled());
    assert!(token.cancel());
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(format!("{token:?}"), "CancellationToken { reason: None }");
    token.cancel_with("stop");
    let shown = format!("{token:?}");
    assert!(shown.starts_with("CancellationToken") && shown.contains("\"stop\""), "{shown}");
}

#[test]
fn send_and_sync() {
    let _watchdog = support::watchdog();
    fn both<T: Send + Sync>() {}
    both::<CancellationToken>();
    both::<WaitForCancellation<'_>>();
    both::<WaitForCancellationOwned>();
    both::<Registration>();
    both::<DropGuard>();
}

#[test]
fn owned_future_keeps_token_alive() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let callback = Arc::new(());
    let held = callback.clone();
    token.on_cancel(move |_| drop(held)).detach();
    let mut wait = Box::pin(token.clone().cancelled_owned());
    assert!(poll_once(wait.as_mut()).is_pending());
    drop(token);
    // The callback is dropped with the token, which is still alive.
    assert_eq!(Arc::strong_count(&callback), 2);
    drop(wait);
    assert_eq!(Arc::strong_count(&callback), 1);
}

#[test]
fn never_fires_without_handles() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut wait = pin!(token.clone().cancelled_owned());
    let wakes = Wakes::new();
    assert!(wakes.poll(wait.as_mut()).is_pending());
    drop(token);
    assert!(wakes.poll(wait.as_mut()).is_pending());
    assert_eq!(wakes.count(), 0);
}

#[test]
fn callbacks_dropped_without_handles() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let ran = Arc::new(AtomicBool::new(false));
    let (kept, flag) = (ran.clone(), ran.clone());
    let registration = token.on_cancel(move |_| kept.store(true, Ordering::SeqCst));
    token.on_cancel(move |_| flag.store(true, Ordering::SeqCst)).detach();
    drop(token);
    assert_eq!(Arc::strong_count(&ran), 1);
    drop(registration);
    assert!(!ran.load(Ordering::SeqCst));
}
