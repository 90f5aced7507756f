//! Lints: the attribute adds no warnings and hides none.

#![warn(clippy::all, clippy::pedantic, clippy::nursery, clippy::allow_attributes)]
#![warn(unused, unreachable_pub, missing_debug_implementations, single_use_lifetimes)]
#![forbid(unsafe_code, unreachable_code, unused_mut, unused_variables, clippy::needless_return)]

use std::future::ready;

use cancelable::{CancellationToken, Cancelled, Operation, cancelable, never};

use crate::support::{self, block_on};

/// One source.
#[cancelable(token = token)]
async fn one(token: &CancellationToken) -> Result<(), Cancelled> {
    ready(()).await;
    Ok(())
}

/// Several sources, and every kind of argument.
#[cancelable(token = token, token = &token.child_token(), source = never())]
async fn several(
    token: &CancellationToken,
    mut changed: u32,
    (left, right): (u32, u32),
) -> Result<u32, Cancelled> {
    changed += left;
    if changed == right {
        return Ok(0);
    }
    let doubled = changed * 2;
    ready(()).await;
    Ok(doubled)
}

/// A body without an await.
#[cancelable(source = never())]
async fn no_await(text: &str) -> Result<usize, Cancelled> {
    Ok(text.len())
}

/// A body that never ends.
#[cancelable(token = token)]
async fn endless(token: &CancellationToken) -> Result<(), Cancelled> {
    loop {
        ready(()).await;
        token.check()?;
        token.cancel();
    }
}

#[cfg(all(feature = "time", feature = "signal"))]
#[cancelable(
    timeout = "1h",
    deadline = std::time::Instant::now() + std::time::Duration::from_secs(3600),
    signal = ["SIGTTIN", "SIGTTOU"],
    condition = || false,
)]
async fn every_key() -> Result<(), Cancelled> {
    Ok(())
}

/// Every key of the operation.
#[cancelable(name = format!("count to {end}"), token = token)]
#[cfg_attr(
    feature = "time",
    cancelable(grace = "1h", stalled_after = "1h", strict, name = "limited")
)]
async fn operation(
    token: &CancellationToken,
    operation: Operation,
    end: u32,
) -> Result<u32, Cancelled> {
    operation.check()?;
    ready(()).await;
    Ok(end)
}

/// No keys.
#[cancelable]
async fn bare() -> Result<(), Cancelled> {
    ready(()).await;
    Ok(())
}

/// Outer and inner attributes stay.
#[must_use = "for this test"]
#[cancelable(source = never())]
async fn attributes(used: u32) -> Result<u32, Cancelled> {
    #![expect(unused_parens, reason = "to see that it reaches the body")]
    let sum = (used + 1);
    Ok(sum)
}

/// Bodies that are a single line. No lint may report their braces as unnecessary.
#[rustfmt::skip]
#[deny(unused_braces, unused_parens)]
mod one_line {
    use super::{CancellationToken, Cancelled, Operation, cancelable, never};

    #[cancelable(source = never())]
    pub(super) async fn value() -> Result<u32, Cancelled> { Ok(1) }

    #[cancelable(token = token, source = never())]
    pub(super) async fn several(token: &CancellationToken) -> Result<u32, Cancelled> { Ok(2) }

    #[cancelable(source = never())]
    pub(super) async fn name(answer: Result<u32, Cancelled>) -> Result<u32, Cancelled> { answer }

    #[cancelable(source = never())]
    pub(super) async fn awaited() -> Result<u32, Cancelled> { value().await }

    #[cfg(feature = "time")]
    #[cancelable(timeout = "1h")]
    pub(super) async fn limited() -> Result<u32, Cancelled> { Ok(5) }

    #[cancelable]
    pub(super) async fn handle(op: Operation) -> Result<u32, Cancelled> { op.check().map(|()| 11) }

    pub(super) struct Service(pub(super) u32);

    impl Service {
        #[cancelable(source = never())]
        pub(super) async fn method(&self) -> Result<u32, Cancelled> { Ok(self.0) }
    }

    macro_rules! from_block {
        ($name:ident $body:block) => {
            #[cancelable(source = never())]
            pub(super) async fn $name() -> Result<u32, Cancelled> $body
        };
    }

    macro_rules! from_tokens {
        ($(#[$attribute:meta])* async fn $name:ident() $body:tt) => {
            $(#[$attribute])*
            pub(super) async fn $name() -> Result<u32, Cancelled> $body
        };
    }

    macro_rules! from_expression {
        ($name:ident $answer:expr) => {
            #[cancelable(source = never())]
            pub(super) async fn $name() -> Result<u32, Cancelled> { $answer }
        };
    }

    from_block!(block { Ok(7) });
    from_block!(block_of_several { let answer = 8; Ok(answer) });
    from_tokens!(#[cancelable(source = never())] async fn tokens() { Ok(9) });
    from_expression!(expression Ok(10));
}

#[test]
fn one_line_bodies() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    block_on(async {
        assert_eq!(one_line::value().await, Ok(1));
        assert_eq!(one_line::several(&token).await, Ok(2));
        assert_eq!(one_line::name(Ok(3)).await, Ok(3));
        assert_eq!(one_line::awaited().await, Ok(1));
        #[cfg(feature = "time")]
        assert_eq!(one_line::limited().await, Ok(5));
        assert_eq!(one_line::Service(6).method().await, Ok(6));
        assert_eq!(one_line::block().await, Ok(7));
        assert_eq!(one_line::block_of_several().await, Ok(8));
        assert_eq!(one_line::tokens().await, Ok(9));
        assert_eq!(one_line::expression().await, Ok(10));
        assert_eq!(one_line::handle().await, Ok(11));
    });
}

#[test]
fn no_warnings() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    block_on(async {
        one(&token).await?;
        assert_eq!(several(&token, 1, (2, 4)).await?, 6);
        assert_eq!(several(&token, 1, (2, 3)).await?, 0);
        assert_eq!(no_await("four").await?, 4);
        assert_eq!(attributes(1).await?, 2);
        assert_eq!(operation(&token, 3).await?, 3);
        bare().await?;
        #[cfg(all(feature = "time", feature = "signal"))]
        every_key().await?;
        endless(&token).await
    })
    .unwrap_err();
}

#[test]
fn unused_future_warns() {
    let _watchdog = support::watchdog();
    #[expect(unused_must_use, reason = "to see that the compiler says so")]
    {
        no_await("");
    }
}
