//! Names in user code do not clash with names in the expansion of the attribute.

use cancelable::prelude::*;

use crate::support::{self, block_on};

#[test]
fn argument_names() {
    #[cancelable(token = source0, token = source1, source = source)]
    async fn run(
        source0: CancellationToken,
        source1: CancellationToken,
        source: Never,
        result: u32,
        cancelled: u32,
        error: u32,
        (name, work, way, run): (u32, u32, u32, u32),
    ) -> Result<u32, Cancelled> {
        let sources = [&source0, &source1].into_iter().filter(|token| token.is_cancelled());
        Ok(u32::try_from(sources.count()).unwrap_or(0)
            + result
            + cancelled
            + error
            + name
            + work
            + way
            + run)
    }

    use cancelable::source::Never;

    let _watchdog = support::watchdog();
    let tokens = [CancellationToken::new(), CancellationToken::new()];
    let call = || run(tokens[0].clone(), tokens[1].clone(), never(), 1, 2, 3, (4, 5, 6, 7));
    assert_eq!(block_on(call()), Ok(28));
    tokens[1].cancel_with("1");
    assert_eq!(block_on(call()), Err(Cancelled::new("1")));
    tokens[0].cancel_with("0");
    assert_eq!(block_on(call()), Err(Cancelled::new("0")));
}

/// Here every name that the expansion uses means something else.
mod shadowed {
    #![allow(dead_code, reason = "these stand in the way; nobody uses them")]
    #![allow(non_camel_case_types, reason = "crates are written in lower case")]

    pub(super) struct Ok;
    pub(super) struct Err;
    pub(super) struct Some;
    pub(super) struct None;
    pub(super) struct Option;
    pub(super) struct Duration;
    pub(super) struct From;
    pub(super) struct Clone;
    pub(super) struct CancelableExt;
    pub(super) struct Deref;
    pub(super) struct Display;
    pub(super) struct IntoFuture;
    pub(super) struct Source;
    pub(super) struct Operation;
    pub(super) struct Text;
    pub(super) struct core;
    pub(super) struct std;
    pub(super) struct cancelable;
    pub(super) type Result<T> = ::core::result::Result<T, ::cancelable::Cancelled>;

    pub(super) fn any_of() {}
    pub(super) fn timeout() {}

    #[::cancelable::cancelable(token = token, source = ::cancelable::never())]
    pub(super) async fn run(token: &::cancelable::CancellationToken) -> Result<u32> {
        Result::Ok(1)
    }

    #[::cancelable::cancelable(name = "named")]
    pub(super) async fn run_operation(op: ::cancelable::Operation) -> Result<bool> {
        Result::Ok(::std::option::Option::is_some(&op.name()))
    }

    #[cfg(all(unix, feature = "time", feature = "signal"))]
    #[::cancelable::cancelable(timeout = "1h", grace = "1s", signal = "SIGVTALRM", condition = || false)]
    pub(super) async fn run_all() -> Result<u32> {
        Result::Ok(2)
    }
}

#[test]
fn names_in_scope() {
    let _watchdog = support::watchdog();
    assert_eq!(block_on(shadowed::run(&CancellationToken::new())), Ok(1));
    assert_eq!(block_on(shadowed::run_operation()), Ok(true));
    #[cfg(all(unix, feature = "time", feature = "signal"))]
    assert_eq!(block_on(shadowed::run_all()), Ok(2));
}

#[test]
fn items_in_body() {
    type Answer = usize;

    #[cancelable(source = never())]
    async fn run() -> Result<Answer, Cancelled> {
        type Answer = &'static str;
        let text: Answer = "four";
        Ok(text.len())
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(run()), Ok::<Answer, _>(4));
}

/// The crate under another name, with only the items that the expansion needs.
mod renamed {
    pub(super) mod inner {
        pub(crate) use cancelable::{__private, CancellationToken, any_of};
    }
}

#[test]
fn crate_path() {
    #[cancelable(crate = renamed::inner, token = token, token = token.child_token())]
    async fn relative(token: &CancellationToken) -> Result<u32, Cancelled> {
        Ok(1)
    }

    #[cancelable(token = token, crate = ::cancelable)]
    async fn absolute(token: &CancellationToken) -> Result<u32, Cancelled> {
        Ok(2)
    }

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(block_on(relative(&token)), Ok(1));
    assert_eq!(block_on(absolute(&token)), Ok(2));
    token.cancel();
    assert!(block_on(relative(&token)).is_err());
    assert!(block_on(absolute(&token)).is_err());
}

/// If the attribute is inside a macro, the arguments of the macro reach the attribute wrapped in invisible groups.
#[cfg(all(unix, feature = "time", feature = "signal"))]
macro_rules! functions {
    ($name:ident, $limit:literal, $longer:expr, $signal:expr, $token:ident, $answer:expr) => {
        #[cancelable(token = $token, timeout = $limit, timeout = $longer, signal = $signal)]
        async fn $name($token: CancellationToken) -> Result<u32, Cancelled> {
            let answer = $answer;
            Ok(answer + u32::from($token.is_cancelled()))
        }
    };
}

#[cfg(all(unix, feature = "time", feature = "signal"))]
#[test]
fn in_macro() {
    functions!(run, "1h", "1h30m", ["SIGPROF"], token, 42);

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(block_on(run(token.clone())), Ok(42));
    token.cancel();
    assert!(block_on(run(token)).unwrap_err().is_manual());
}
