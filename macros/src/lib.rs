//! The attribute macro `#[cancelable]`, which the crate `cancelable` exports.

mod args;
mod duration;
mod erase;
mod expand;
mod function;
mod make;
mod parameter;
mod problems;
mod signal;
mod value;

use proc_macro::TokenStream;

/// Races the body of an `async fn` against sources, as an operation.
///
/// Use it for sources that belong to the function itself rather than to its callers. The function keeps its signature. It
/// returns a `Result` whose error type is `Cancelled` or implements `From<Cancelled>`. If a source fires before the body
/// completes, the body is dropped, and the function returns a `Cancelled` as its error. `?` and `return` work as in any
/// function.
///
/// The attribute does what `try_scope(any_of((..)), |operation| body).named("..")` does, with the same rule for ties. At the
/// first poll, a source that has fired wins over the body. Later, a value that is ready wins over the sources. Among sources
/// that have fired, the first one written wins.
///
/// Each call is an operation with a name and a status. It is a child of the operation in which it is first polled, and is
/// cancelled with that operation. If the attribute names no source, only the parent or a handle cancels the call.
///
/// # Keys
///
/// Sources may be given several times, other keys once.
///
/// | source | value | fires |
/// |---|---|---|
/// | `timeout` | a string such as `"30s"` or `"1.5s"`, or a `Duration` | after that time |
/// | `deadline` | an `Instant` | at that instant |
/// | `token` | a `CancellationToken`, or a reference to one | when the token is cancelled |
/// | `signal` | a string such as `"SIGTERM"`, a `Signal`, or a list: `["SIGINT", "SIGTERM"]` | when the process receives one of the signals |
/// | `condition` | a closure or function that returns `bool` | when a check returns true; checks are 100 ms apart |
/// | `source` | any source | when the source fires |
///
/// | other key | value | effect |
/// |---|---|---|
/// | `name` | a string, or a `String` or `Text` | names the operation; the default is the name of the function, and an empty name is none |
/// | `registered` | none | lists the operation in the global registry while it runs |
/// | `grace` | a string such as `"5s"`, or a `Duration` | gives the body this much time to end by itself after a cancellation |
/// | `stalled_after` | a string such as `"10s"`, or a `Duration` | cancels the operation if it reports no progress for this long |
/// | `strict` | none | returns the error even if the body still returns a value after the cancellation |
/// | `crate` | a path | sets the path of the crate, if it is not `::cancelable` |
///
/// Strings are checked at compile time. A duration is a number and a unit (`h`, `m`, `s`, `ms`, `us` or `µs`, `ns`), or
/// several of them from large to small: `"1m30s"`. The last part may have a fraction: `"1.5s"`, `"1m0.5s"`. A signal is
/// given by its name, with or without `SIG`. The case does not matter.
///
/// `timeout`, `deadline`, `condition`, `grace` and `stalled_after` require the feature `time`, and `signal` the feature
/// `signal`.
///
/// # The handle
///
/// A parameter of type `Operation` receives the handle of the operation. The attribute removes it from
/// the signature: callers of `async fn copy(from: &str, operation: Operation)` write `copy("a")`.
///
/// The attribute recognizes the type by the last name in its path. A type of your own that is also called `Operation`
/// does not compile as a parameter, unless it is a type parameter of the function. To take an operation from the
/// caller, rename the type: `use cancelable::Operation as Handle;`.
///
/// # Values
///
/// Values are expressions. They may use the function's arguments, the handle, and `self`. Each value is evaluated
/// once, in the order in which the values are written, at the first poll and before the operation starts. This is
/// also when the clock of a `timeout` starts and when a `signal` is registered.
///
/// After that, the body takes ownership of the arguments that it uses. So a value should not keep or borrow an
/// argument that the body uses:
///
/// * `token` borrows its value and clones the token. `token = token`, `token = &token` and
///   `token = self.token` all leave the argument to the body, even with `&mut self`.
/// * `name` evaluates its value at once: `name = format!("fetch {url}")`.
/// * If a `source` or a `condition` moves or borrows an argument, it keeps the argument until the operation ends. If the
///   body needs the argument too, clone it or pass a reference.
///
/// # Functions
///
/// The attribute works on functions, and on methods with any kind of `self`, including methods of trait
/// implementations. `impl Trait` may be used in arguments and inside the `Result`. `unsafe` and `extern`
/// functions are refused.
///
/// Some attributes, such as `#[tokio::main]` and `#[tokio::test]`, turn an `async fn` into another function. Put them below
/// `#[cancelable]`. In an `impl` with `#[async_trait]`, put `#[cancelable]` on the methods: it accepts the boxed functions
/// that `#[async_trait]` makes of them.
///
/// # Cancel safety
///
/// When the function is cancelled, the body is polled one last time and then dropped at its current await. With `grace`, the
/// body is dropped only after the grace period. Dropping the function's future drops the body at once.
///
/// # Errors
///
/// * The error of the body.
/// * `Cancelled`, converted into the function's error type, if a source fires first.
/// * `Cancelled` with the reason `Error`, which holds the `io::Error`, if a signal cannot be registered. Then the body does
///   not run.
/// * Any error that a value returns with `?`. Then the body does not run.
///
/// If the body returns an error, the operation is `Cancelled` if it had been cancelled by then, and
/// `Failed` otherwise. The operation keeps the text of the error: from `Display`, else from `Debug`,
/// else the name of the type.
///
/// # Examples
///
/// A time limit for each call:
///
/// ```
/// use cancelable::prelude::*;
///
/// #[cancelable(timeout = "20ms")]
/// async fn ask(question: &str) -> Result<usize, Cancelled> {
///     if question.is_empty() {
///         std::future::pending::<()>().await;
///     }
///     Ok(question.len())
/// }
///
/// # smol::block_on(async {
/// assert_eq!(ask("how long?").await, Ok(9));
/// assert_eq!(ask("").await.unwrap_err().to_string(), "`ask` cancelled: timed out after 20ms");
/// # });
/// ```
///
/// A method with its own error type, a limit from an argument, and a token in `self`:
///
/// ```
/// use cancelable::prelude::*;
/// use std::io;
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Store {
///     shutdown: CancellationToken,
///     saved: Vec<String>,
/// }
///
/// impl Store {
///     #[cancelable(token = self.shutdown, timeout = limit, signal = ["SIGINT", "SIGTERM"])]
///     async fn save(&mut self, text: &str, limit: Duration) -> io::Result<usize> {
///         if text.is_empty() {
///             return Err(io::ErrorKind::InvalidInput.into());
///         }
///         self.saved.push(text.to_owned());
///         Ok(self.saved.len())
///     }
/// }
///
/// # smol::block_on(async {
/// let mut store = Store::default();
/// assert_eq!(store.save("one", Duration::from_secs(60)).await?, 1);
///
/// store.shutdown.cancel_with("closing");
/// let error = store.save("two", Duration::from_secs(60)).await.unwrap_err();
/// assert_eq!(error.to_string(), "`save` cancelled: closing");
/// # io::Result::Ok(()) }).unwrap();
/// ```
///
/// The key `source` with a named condition, and the key `condition` with a flag:
///
/// ```
/// use cancelable::prelude::*;
/// use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
///
/// #[cancelable(
///     source = condition(|| used.load(Ordering::Relaxed) > 90).named("disk"),
///     condition = || stop.load(Ordering::Relaxed),
/// )]
/// async fn copy(used: &AtomicU64, stop: &AtomicBool) -> Result<u64, Cancelled> {
///     Ok(used.fetch_add(60, Ordering::Relaxed))
/// }
///
/// # smol::block_on(async {
/// let (used, stop) = (AtomicU64::new(0), AtomicBool::new(false));
/// assert_eq!(copy(&used, &stop).await, Ok(0));
/// assert_eq!(copy(&used, &stop).await, Ok(60));
/// let cancelled = copy(&used, &stop).await.unwrap_err();
/// assert_eq!(cancelled.to_string(), "`copy` cancelled: condition `disk` met after 1 check");
/// # });
/// ```
///
/// The handle, and a grace period in which the body ends by itself:
///
/// ```
/// use cancelable::prelude::*;
///
/// #[cancelable(token = stop, name = "sum", grace = "5s")]
/// async fn sum(
///     numbers: &[u32],
///     stop: &CancellationToken,
///     operation: Operation,
/// ) -> Result<u32, Cancelled> {
///     let mut sum = 0;
///     for (number, done) in numbers.iter().zip(1..) {
///         if operation.is_cancelled() {
///             break;
///         }
///         sum += number;
///         operation.report_progress(Progress::steps(done, numbers.len() as u64));
///         if sum > 5 {
///             stop.cancel_with("that is enough");
///         }
///         # smol::future::yield_now().await;
///     }
///     Ok(sum)
/// }
///
/// # smol::block_on(async {
/// assert_eq!(sum(&[1, 2, 3, 4], &CancellationToken::new()).await, Ok(6));
/// # });
/// ```
///
/// An unknown unit, signal or key does not compile:
///
/// ```compile_fail
/// use cancelable::prelude::*;
///
/// #[cancelable(timeout = "30 seconds")]
/// async fn ask() -> Result<(), Cancelled> {
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn cancelable(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(args.into(), item.into()).into()
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
