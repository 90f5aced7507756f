//! `a & b`.

use super::*;

/// Makes `a & b` for each pair of sources that supports it.
macro_rules! all_pairs {
    ($($left:expr),* ; $rights:tt) => {
        $(all_pairs!(@ $left, $rights);)*
    };
    (@ $left:expr, ($($right:expr),*)) => {
        $(
            let reason = block_on($left & $right);
            // Each side contributes one reason: a single source, an `any_of`, or an `all_of` of one source.
            assert_eq!(reason.leaves().len(), 2, "{reason}");
        )*
    };
}

#[test]
fn between_all_sources() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel();
    let ready = || std::future::ready(());
    all_pairs!(
        token.clone(), &token, token.cancelled(), token.clone().cancelled_owned(),
        ready().because("x"), any_of((&token,)), all_of((&token,)), timeout(Duration::ZERO),
        deadline(Instant::now()), condition(|| true), condition_async(|| async { true });
        (token.clone(), &token, token.cancelled(), token.clone().cancelled_owned(),
        ready().because("x"), any_of((&token,)), all_of((&token,)), timeout(Duration::ZERO),
        deadline(Instant::now()), condition(|| true), condition_async(|| async { true }),
        std::future::ready(Reason::Dropped), async { Reason::Dropped })
    );
    assert!(poll_once(pin!(never() & &token)).is_pending());
    assert!(poll_once(pin!(&token & never())).is_pending());
}

#[test]
fn left_and_right() {
    let _watchdog = support::watchdog();
    let (left, right) = (CancellationToken::new(), CancellationToken::new());
    let mut source = pin!(&left & &right);
    assert!(poll_once(source.as_mut()).is_pending());
    right.cancel_with("right");
    assert!(poll_once(source.as_mut()).is_pending());
    left.cancel_with("left");
    assert_eq!(poll_once(source), Poll::Ready(all(&["left", "right"])));
}

#[test]
fn token_reference_and_timeout() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let token = CancellationToken::new();
    token.cancel_with("token");
    let start = clock.now();
    let reason = clock.block_on(&token & timeout(SHORT));
    clock.assert_passed(start, SHORT);
    assert_eq!(reason.leaves(), [Reason::manual("token"), Reason::timeout(SHORT)]);
}

#[test]
fn chains_and_precedence() {
    let _watchdog = support::watchdog();
    let (a, b, c) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    a.cancel_with("a");
    b.cancel_with("b");
    assert!(poll_once(pin!(&a & &b & &c)).is_pending());
    // `&` binds tighter than `|`.
    assert_eq!(block_on(&c & never() | &a & &b), all(&["a", "b"]));
    assert!(poll_once(pin!(&c & (never() | &a))).is_pending());
    c.cancel_with("c");
    assert_eq!(block_on(&a & &b & &c), all(&["a", "b", "c"]));
    assert_eq!(block_on(&c & (never() | &a)), all(&["c", "a"]));
}

#[test]
#[cfg(feature = "blocking")]
fn with_blocking_conditions() {
    let _watchdog = support::watchdog();
    let reason = block_on(condition_blocking(|| true) & timeout(SHORT));
    let expected = [Reason::condition("condition", 1), Reason::timeout(SHORT)];
    assert_eq!(reason.leaves(), expected);
}
