//! `a | b`.

use super::*;

/// Makes `a | b` for each pair of sources that supports it.
macro_rules! all_pairs {
    ($fired:ident, $($left:expr),* ; $rights:tt) => {
        $(all_pairs!(@ $fired, $left, $rights);)*
    };
    (@ $fired:ident, $left:expr, ($($right:expr),*)) => {
        $(
            let reason = block_on(any_of(($left | $right, &$fired)));
            assert_eq!(reason, Reason::manual("fired"));
        )*
    };
}

#[test]
fn between_all_sources() {
    let _watchdog = support::watchdog();
    let (token, fired) = (CancellationToken::new(), CancellationToken::new());
    fired.cancel_with("fired");
    let pending = std::future::pending::<()>;
    all_pairs!(fired,
        token.clone(), &token, token.cancelled(), token.clone().cancelled_owned(), never(),
        pending().because("x"), any_of((never(),)), all_of((never(),)), timeout(LONG),
        deadline(Instant::now() + LONG), condition(|| false), condition_async(|| async { false });
        (token.clone(), &token, token.cancelled(), token.clone().cancelled_owned(), never(),
        pending().because("x"), any_of((never(),)), all_of((never(),)), timeout(LONG),
        deadline(Instant::now() + LONG), condition(|| false), condition_async(|| async { false }),
        std::future::pending::<Reason>(), async { std::future::pending::<Reason>().await })
    );
}

#[test]
fn left_or_right() {
    let _watchdog = support::watchdog();
    let (left, right) = (CancellationToken::new(), CancellationToken::new());
    right.cancel_with("right");
    assert_eq!(block_on(&left | &right), Reason::manual("right"));
    left.cancel_with("left");
    assert_eq!(block_on(&left | &right), Reason::manual("left"));
    assert_eq!(block_on(left | right), Reason::manual("left"));
}

#[test]
fn token_reference_or_timeout() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let token = CancellationToken::new();
    assert_eq!(clock.block_on(&token | timeout(SHORT)), Reason::timeout(SHORT));
    assert_eq!(clock.block_on(timeout(SHORT) | &token), Reason::timeout(SHORT));
    token.cancel_with("token");
    assert_eq!(clock.block_on(&token | timeout(LONG)), Reason::manual("token"));
    // The token is still usable.
    assert!(token.is_cancelled());
}

#[test]
fn chains_and_precedence() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("token");
    let reason = block_on(never() | timeout(LONG) | never() | &token | never());
    assert_eq!(reason, Reason::manual("token"));
    // `&` binds tighter than `|`.
    let reason = block_on(never() & &token | &token & &token);
    assert_eq!(reason.leaves(), [Reason::manual("token"), Reason::manual("token")]);
}

#[test]
#[cfg(feature = "blocking")]
fn with_blocking_conditions() {
    let _watchdog = support::watchdog();
    let reason = block_on(condition_blocking(|| true) | never());
    assert_eq!(reason, Reason::condition("condition", 1));
}
