//! `blocking_wait` and its limit.

use super::*;

const LONG: Duration = Duration::from_secs(3600);

/// Cancels from another thread, after a while.
fn cancel_soon(token: &CancellationToken) -> thread::JoinHandle<()> {
    let remote = token.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        remote.cancel_with("from the thread");
    })
}

#[test]
fn wait() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let canceller = cancel_soon(&token);
    assert_eq!(token.blocking_wait(), Reason::manual("from the thread"));
    canceller.join().unwrap();
    // The token is already cancelled, so this returns at once.
    assert_eq!(token.blocking_wait(), Reason::manual("from the thread"));
}

#[test]
fn limit_passes() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (limit, start) = (Duration::from_millis(30), Instant::now());
    assert_eq!(token.blocking_wait_timeout(limit), None);
    assert!(start.elapsed() >= limit);
    assert!(!token.is_cancelled());
}

#[test]
fn cancelled_within_the_limit() {
    let _watchdog = support::watchdog();
    for limit in [LONG, Duration::MAX] {
        let token = CancellationToken::new();
        let canceller = cancel_soon(&token);
        let reason = token.blocking_wait_timeout(limit);
        assert_eq!(reason, Some(Reason::manual("from the thread")));
        canceller.join().unwrap();
    }
}

#[test]
fn zero_limit() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(token.blocking_wait_timeout(Duration::ZERO), None);
    token.cancel_with("stop");
    let reason = token.blocking_wait_timeout(Duration::ZERO);
    assert_eq!(reason, Some(Reason::manual("stop")));
}

#[test]
fn stray_unparks() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (limit, start) = (Duration::from_millis(50), Instant::now());
    let waiter = thread::current();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                waiter.unpark();
                thread::yield_now();
            }
        });
        let timed_out = token.blocking_wait_timeout(limit);
        let waited = start.elapsed();
        let canceller = cancel_soon(&token);
        let reason = token.blocking_wait();
        done.store(true, Ordering::SeqCst);
        canceller.join().unwrap();
        assert_eq!(timed_out, None);
        assert!(waited >= limit);
        assert_eq!(reason, Reason::manual("from the thread"));
    });
}

#[test]
fn many_threads() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let wait = || token.blocking_wait();
        let waiting: Vec<_> = (0..20).map(|_| scope.spawn(wait)).collect();
        cancel_soon(&token).join().unwrap();
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), Reason::manual("from the thread"));
        }
    });
}

#[test]
fn child_of_cancelled_parent() {
    let _watchdog = support::watchdog();
    let stopped = Some(Reason::parent(Reason::manual("stop")));
    // The token is cancelled before the wait, or during it.
    let parent = CancellationToken::new();
    let (before, meanwhile) = (parent.child_token(), parent.child_token());
    let waiting = thread::spawn(move || meanwhile.blocking_wait());
    assert!(parent.cancel_with("stop"));
    assert_eq!(before.blocking_wait_timeout(Duration::ZERO), stopped);
    assert_eq!(waiting.join().ok(), stopped);
}
