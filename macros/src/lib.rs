//! The attribute of the crate `cancelable`. Use it from there: `use cancelable::prelude::*;`.

mod args;
mod duration;
mod erase;
mod expand;
mod function;
mod make;
mod parameter;
mod signal;
mod value;

use proc_macro::TokenStream;

/// Races the body of an `async fn` against the sources that its keys name, as an operation.
///
/// The function keeps its signature. It returns a `Result` whose error type is `Cancelled` or
/// implements `From<Cancelled>`. If a source fires before the body is done, the body is dropped and
/// the function returns that error. `?` and `return` work as in any function.
///
/// It is what `try_scope(any_of((..)), |operation| body).named("..")` does, and the same rules tell
/// who wins: a source that has fired by the first poll wins over the body, a value that is there
/// later wins over the sources, and among sources that have fired the first one written wins.
///
/// Each call is an operation of its own: it has a name and a status, is below the operation in which
/// it is first polled, and is cancelled with that. Without any source only that cancels it, or a
/// handle.
///
/// # Keys
///
/// Sources may be given several times, the others once.
///
/// | key | value | fires |
/// |---|---|---|
/// | `timeout` | a text such as `"30s"` or `"1.5s"`, or a `Duration` | when so much time has passed |
/// | `deadline` | an `Instant` | when that moment has come |
/// | `token` | a `CancellationToken`, or a reference to one | when the token is cancelled |
/// | `signal` | a text such as `"SIGTERM"`, a `Signal`, or a list of them: `["SIGINT", "SIGTERM"]` | when the process receives one of them |
/// | `condition` | a closure or function that returns `bool` | when a check comes out true; checks are 100 ms apart |
/// | `source` | any source | when the source fires |
///
/// | key | value | is no source: it |
/// |---|---|---|
/// | `name` | a text, or a `String` or `Text` | names the operation; otherwise it has the name of the function. An empty one is none |
/// | `registered` | none | lists the operation in the global registry while it runs |
/// | `grace` | a text such as `"5s"`, or a `Duration` | lets the body go on for so long once it is asked to stop |
/// | `crate` | a path | tells where the crate is, if not at `::cancelable` |
///
/// A text is read at compile time. That of a `timeout` or a `grace` is a number and a unit, `h`,
/// `m`, `s`, `ms`, `us` (or `µs`) or `ns`, or several of them from large to small: `"1m30s"`.
/// Fractions such as `"1.5s"` work; of several parts, the last may have one: `"1m0.5s"`. That of a
/// `signal` is its name, with or without `SIG`, in any case.
///
/// `timeout`, `deadline`, `condition` and `grace` need the feature `time`, and `signal` the feature
/// of that name.
///
/// # The handle
///
/// A parameter of type `Operation` is the handle of the run. The attribute supplies it, and callers
/// do not see it: with `async fn copy(from: &str, operation: Operation)` they write `copy("a")`.
///
/// It is known by the last name in its path. A type of yours that is called `Operation` does not
/// compile there, unless it is a type parameter of the function itself. To take an operation from
/// the caller, give the type another name: `use cancelable::Operation as Handle;`.
///
/// # Values
///
/// The values are expressions. They may use the arguments of the function, the handle, and `self`.
/// They are evaluated at the first poll, not when the function is called: once each, in the order
/// in which they are written, before the operation starts and anything of the body runs. This is
/// also when the clock of a `timeout` starts and when a `signal` is registered.
///
/// What the body uses of the arguments is moved into it. A value must not hold on to that:
///
/// * `token` only looks at its value and takes a handle of its own. `token = token`,
///   `token = &token` and `token = self.token` do the same, and leave the argument to the body, also
///   where `self` is `&mut self`.
/// * `name` reads its value and is done with it: `name = format!("fetch {url}")`.
/// * A `source` or a `condition` that takes an argument by value, or borrows one, has it for the
///   whole run. If the body needs it too, clone it or make the argument a reference.
///
/// # Functions
///
/// It goes on functions and methods with any kind of `self`, also on those of trait implementations.
/// Types hidden by `impl Trait` may be among the arguments and within the `Result`. It does not go
/// on an `unsafe` or `extern` function.
///
/// Attributes that make another function of an `async fn`, such as those that runtimes have for
/// `main` and for tests, go below it.
///
/// # Cancel safety
///
/// Cancelling drops the body at the await it stands at, as all of async Rust does; with `grace`, once
/// that is over. So does dropping the future of the function, at once.
///
/// # Errors
///
/// * The error of the body.
/// * `Cancelled`, as the error type of the function, if a source fires first.
/// * The same with the reason `Error`, which holds the `io::Error`, if a signal cannot be registered.
///   The body does not run then.
/// * Whatever a value returns by `?`. The body does not run then either.
///
/// If the body returns an error, the operation is `Cancelled` if it was asked to stop, and `Failed`
/// otherwise. Its handle has the text of the error: what `Display` prints, else what `Debug` prints,
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
/// assert_eq!(ask("").await.unwrap_err().to_string(), "timed out after 20ms");
/// # });
/// ```
///
/// A method with an error type of its own, limits that come with the call, and a token that lies
/// within `self`:
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
/// assert_eq!(error.to_string(), "cancelled: closing");
/// # io::Result::Ok(()) }).unwrap();
/// ```
///
/// Any source, here a condition with a name, and a check of a flag:
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
/// assert_eq!(cancelled.to_string(), "condition `disk` met after 1 check");
/// # });
/// ```
///
/// The handle, and time to come to an end:
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
///             stop.cancel_with("that is plenty");
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
/// An unknown unit, an unknown signal, an unknown key: they do not compile.
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
