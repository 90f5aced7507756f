//! Cancel any future for a reason: a timeout, a token, an operating system signal, a condition, or any
//! future of yours. Sources compose with OR and AND, and everything runs on every runtime.
//!
//! * A **source** is any future that resolves to a [`Reason`]: [`timeout`], [`deadline`], a [`CancellationToken`],
//!   [`signal`](signal()), [`condition`], or a future of your own. See [`source`].
//! * Sources compose: [`any_of`] fires when the first of them fires, [`all_of`] when all of them have
//!   fired.
//! * [`cancelable`](CancelableExt::cancelable) races your future against one source and resolves to
//!   `Result<T, Cancelled>`. [`Cancelled`] carries the reason.
//! * Give a race a name, hooks, progress or clean-up and it becomes an [`Operation`], which has a status and a handle that
//!   can cancel it. If it runs inside another operation, cancelling the outer operation cancels it too. See [`scope`] and
//!   the methods of [`Cancelable`].
//! * If dropping the work is too abrupt, [`shield`](shield()) lets a section finish first, [`finally`](Cancelable::finally)
//!   runs clean-up that awaits, and [`grace`](Cancelable::grace) gives the work time to end by itself.
//! * [`cancelable_stream`](CancelableStreamExt::cancelable_stream) wraps a stream and yields its items as `Ok`. Once the
//!   source fires, the wrapped stream yields the error once, then `None`.
//! * A [`Registry`] lists the operations that were [registered](Cancelable::registered) in it, shuts
//!   them down, and reports which of them did not stop and what they were doing. See [`registry`].
//! * [`command_line::run`] gives a program the behaviour that its users expect from Ctrl-C, time limits and exit
//!   codes.
//! * A [`TaskGroup`] owns tasks on any executor. The group ends when all its tasks have ended. If one of them fails, the
//!   group cancels the others. See [`group`].
//!
//! Everything is a plain future. It runs on tokio, smol, async-std and a bare `block_on`. This crate
//! chooses no runtime and spawns no task.
//!
//! # Which side wins
//!
//! If the source has fired by the first poll, it wins and the work is never polled. If it fires later,
//! the work is polled one last time and wins if it is ready. The work is dropped before the race
//! resolves. [Semantics](_docs::semantics) has the whole contract.
//!
//! # Examples
//!
//! ```
//! use cancelable::prelude::*;
//! use std::time::Duration;
//!
//! async fn count(token: CancellationToken) -> usize {
//!     token.cancel_with("counted enough");
//!     std::future::pending().await
//! }
//!
//! # smol::block_on(async {
//! let token = CancellationToken::new();
//! let outcome = count(token.clone())
//!     .cancelable(any_of((timeout(Duration::from_secs(60)), &token)))
//!     .await;
//! assert_eq!(outcome, Err(Cancelled::new("counted enough")));
//! # });
//! ```
//!
//! An operation that reports its progress, shields a section, and cleans up however it ends:
//!
//! ```
//! use cancelable::prelude::*;
//! use std::time::Duration;
//!
//! # smol::block_on(async {
//! let limit = timeout(Duration::from_secs(60));
//! let copy = scope(limit, async |operation: Operation| {
//!     for file in 1..=3 {
//!         shield(async { /* a section that must run to its end */ }).await;
//!         operation.report_progress(Progress::steps(file, 3));
//!     }
//! });
//! let copy = copy
//!     .named("copy")
//!     .on_progress(|operation, progress| println!("{}: {progress}", operation.id()))
//!     .finally(|outcome| {
//!         let done = outcome.is_ok();
//!         async move { println!("{}", if done { "done" } else { "removing the copy" }) }
//!     });
//!
//! let operation = copy.operation(); // A handle, to watch the operation or to cancel it.
//! copy.await?;
//! assert_eq!(operation.status(), Status::Completed);
//! # Ok::<(), Cancelled>(()) }).unwrap();
//! ```
//!
//! # Where things are
//!
//! The crate root has the names that most programs use, and [`prelude`] has the names that are worth
//! importing with `*`. Everything else is in the module of its concept: [`source`], [`reason`],
//! [`operation`], [`group`], [`stream`], [`registry`], [`command_line`] and [`testing`].
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `time` (default) | [`timeout`], [`deadline`], [`Limit`], [`condition`], [`condition_async`], [`shield_for`], [`finally_for`](Cancelable::finally_for), [`grace`](Cancelable::grace), [`shutdown`](Registry::shutdown) |
//! | `signal` (default) | [`signal`](signal()), [`signals`], [`ctrl_c`], [`termination`], [`exit_like`](reason::exit_like); with `time`, [`command_line`] |
//! | `macros` (default) | the attribute [`macro@cancelable`] |
//! | `blocking` | [`condition_blocking`], [`run_blocking`](Operation::run_blocking) |
//! | `io` | readers, writers and sinks raced against a source: see [`io`] |
//! | `process` | child processes that are asked to end before they are killed: see [`process`] |
//! | `tracing` | a span for each operation: see [`in_span`](Cancelable::in_span); warnings about panics of callbacks and about lost clean-up |
//! | `metrics` | counters and histograms of operations: see [`metrics`] |
//! | `testing` | virtual time, a cancellation at every await, a recorder and scenarios: see [`testing`] |
//! | `testing-tokio` | [`follow_tokio_clock`](testing::follow_tokio_clock), for tests that pause tokio's clock |
//! | `serde` | `Serialize` for snapshots, events, reports and their parts |
//!
//! # Guide
//!
//! [First steps](_docs::guide::first_steps) ·
//! [sources](_docs::guide::sources) ·
//! [composition](_docs::guide::composition) ·
//! [tokens](_docs::guide::tokens) ·
//! [errors](_docs::guide::errors) ·
//! [runtimes](_docs::guide::runtimes) ·
//! [command-line tools](_docs::guide::command_line_tools) ·
//! [the attribute](_docs::guide::attribute) ·
//! [operations](_docs::guide::operations) ·
//! [clean-up](_docs::guide::clean_up) ·
//! [shields](_docs::guide::shields) ·
//! [retries](_docs::guide::retries) ·
//! [streams](_docs::guide::streams) ·
//! [registry](_docs::guide::registry) ·
//! [shutdown](_docs::guide::shutdown) ·
//! [testing](_docs::guide::testing) ·
//! [limits that move](_docs::guide::limits) ·
//! [tasks](_docs::guide::tasks) ·
//! [readers and writers](_docs::guide::readers_and_writers) ·
//! [child processes](_docs::guide::child_processes) ·
//! [spans and metrics](_docs::guide::spans_and_metrics) ·
//! [services](_docs::guide::services)
//!
//! Coming from [tokio-util](_docs::migration::from_tokio_util),
//! [Go's context](_docs::migration::from_go), [.NET](_docs::migration::from_dotnet),
//! [the Python library](_docs::migration::from_python) or
//! [tower-http and tonic](_docs::migration::from_tower_http)?

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The documentation is written for all features. With fewer features, some links have no target.
#![cfg_attr(
    not(all(
        feature = "time",
        feature = "signal",
        feature = "macros",
        feature = "blocking",
        feature = "testing-tokio"
    )),
    allow(rustdoc::broken_intra_doc_links, reason = "the target may be behind a feature")
)]

// In layer order: a module uses only modules above it.
mod sync;

mod visits;

mod clock;

mod hash;

mod frame;

mod panic;

mod text;

mod signal_kind;

pub mod reason;

mod error;

mod wait;

#[cfg(feature = "blocking")]
mod pool;

mod poll_context;

#[cfg(feature = "time")]
mod timer;

pub mod source;

mod spawner;

mod shield;

#[cfg(feature = "metrics")]
pub mod metrics;

pub mod operation;

mod future;

pub mod stream;

#[cfg(feature = "io")]
pub mod io;

#[cfg(feature = "process")]
pub mod process;

pub mod registry;

pub mod group;

#[cfg(all(feature = "time", feature = "signal"))]
pub mod command_line;

#[cfg(feature = "serde")]
mod serialize;

pub mod prelude;

#[cfg(feature = "testing")]
pub mod testing;

#[cfg(all(
    any(doc, doctest),
    feature = "time",
    feature = "signal",
    feature = "macros",
    feature = "blocking"
))]
pub mod _docs;

#[cfg(all(test, cancelable_loom))]
mod loom_tests;

#[cfg(feature = "macros")]
pub use cancelable_macros::cancelable;

pub use error::Cancelled;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use future::attribute as __private;
pub use future::{Cancelable, CancelableExt, TryCancelable, scope, try_scope};
#[doc(inline)]
pub use group::TaskGroup;
#[doc(inline)]
pub use operation::{Operation, Progress, Status};
#[doc(inline)]
pub use reason::{Reason, ReasonKind};
#[doc(inline)]
pub use registry::Registry;
#[cfg(feature = "time")]
pub use shield::shield_for;
pub use shield::{Shield, shield};
pub use signal_kind::Signal;
#[cfg(feature = "blocking")]
#[doc(inline)]
pub use source::condition_blocking;
#[doc(inline)]
pub use source::{CancellationToken, Source, all_of, any_of, never};
#[cfg(feature = "time")]
#[doc(inline)]
pub use source::{Limit, condition, condition_async, deadline, timeout};
#[cfg(feature = "signal")]
#[doc(inline)]
pub use source::{ctrl_c, signal, signals, termination};
#[doc(inline)]
pub use stream::{CancelableStream, CancelableStreamExt};
pub use text::Text;
