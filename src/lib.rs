//! Cancel any future for a reason: a timeout, a token, an operating system signal, a condition, or
//! any future of yours, composed with OR and AND, on every runtime.
//!
//! * A **source** is any future of a [`Reason`]: [`timeout`], [`deadline`], a
//!   [`CancellationToken`], [`signal`](signal()), [`condition`], or one of yours. See [`source`].
//! * Sources compose: [`any_of`] fires with the first of them, [`all_of`] when all have fired.
//! * [`cancelable`](CancelableExt::cancelable) races your future against one source and resolves to
//!   `Result<T, Cancelled>`. [`Cancelled`] carries the reason.
//! * A race of which more is asked is an [`Operation`]: it has a name, a status, progress and hooks,
//!   and is cancelled with the operation around it. See [`scope`] and the methods of
//!   [`Cancelable`].
//! * Where a drop is too sudden, [`shield`](shield()) finishes a section first,
//!   [`finally`](Cancelable::finally) runs clean-up that awaits, and
//!   [`grace`](Cancelable::grace) lets the work end by itself.
//! * [`cancelable`](CancelableStreamExt::cancelable) on a stream races that: its items as `Ok`, the
//!   error once, then `None`.
//! * A [`Registry`] lists the operations that [entered](Cancelable::registered) it, stops them, and
//!   tells which of them does not stop, and why.
//!
//! Everything is a plain future. It runs on tokio, smol, async-std and a bare `block_on`; no
//! runtime is chosen and no task is spawned.
//!
//! # Who wins
//!
//! A source that has fired by the first poll wins, and the work is never polled. Later, when a
//! source fires, the work is polled once more, and wins if it is ready. The work is dropped before
//! the outcome is told. [Semantics](_docs::semantics) has the whole contract.
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
//! An operation that can be watched, and that cleans up however it ends:
//!
//! ```
//! use cancelable::prelude::*;
//! use std::time::Duration;
//!
//! # smol::block_on(async {
//! let limit = timeout(Duration::from_secs(60));
//! let copy = scope(limit, async |operation: Operation| {
//!     for file in 1..=3 {
//!         shield(async { /* what must not be cut in the middle */ }).await;
//!         operation.report_progress(Progress::steps(file, 3));
//!     }
//! });
//! let copy = copy
//!     .named("copy")
//!     .on_progress(|operation, progress| println!("{}: {progress}", operation.id()))
//!     .finally(|outcome| {
//!         let done = outcome.is_ok();
//!         async move { println!("{}", if done { "done" } else { "removing what is there" }) }
//!     });
//!
//! let operation = copy.operation(); // A handle, for whoever wants to watch or to cancel.
//! copy.await?;
//! assert_eq!(operation.status(), Status::Completed);
//! # Ok::<(), Cancelled>(()) }).unwrap();
//! ```
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `time` (default) | [`timeout`], [`deadline`], [`condition`], [`condition_async`], [`shutdown`](Registry::shutdown) |
//! | `signal` (default) | [`signal`](signal()), [`signals`], [`ctrl_c`], [`termination`] |
//! | `macros` (default) | the attribute [`macro@cancelable`] |
//! | `blocking` | [`condition_blocking`], [`run_blocking`](Operation::run_blocking) |
//! | `tracing` | warnings about panics of callbacks and about clean-up that was lost go to `tracing` |
//! | `testing` | virtual time, cuts at every await, a recorder, scenarios: see [`testing`] |
//! | `serde` | `Serialize` for snapshots and what they hold, and for what a registry tells |
//!
//! Without `time` there is no [`shield_for`], [`finally_for`](Cancelable::finally_for) and
//! [`grace`](Cancelable::grace) either.
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
//! [registry and shutdown](_docs::guide::registry) ·
//! [testing](_docs::guide::testing)
//!
//! Coming from [tokio-util](_docs::migration::from_tokio_util),
//! [Go's context](_docs::migration::from_go), [.NET](_docs::migration::from_dotnet) or
//! [the Python library](_docs::migration::from_python)?

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The documentation is that of all features. With fewer, some of its links lead nowhere.
#![cfg_attr(
    not(all(
        feature = "time",
        feature = "signal",
        feature = "macros",
        feature = "blocking",
        feature = "testing"
    )),
    allow(rustdoc::broken_intra_doc_links, reason = "what is linked may be left out")
)]

// In layer order: each uses only what stands above it.
mod sync;

mod clock;

mod warn;

mod contain;

mod text;

mod os_signal;

mod reason;

mod error;

mod wait;

mod ambient;

#[cfg(feature = "time")]
mod timer;

pub mod source;

mod shield;

mod operation;

mod future;

mod stream;

#[cfg(feature = "serde")]
mod serialize;

mod registry;

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
pub use future::{
    Call, Cancelable, CancelableExt, Ending, Fallible, Finally, FinallyOrSpawn, Spawner,
    TryCancelable, scope, try_scope,
};
pub use operation::{
    InScope, Operation, OperationId, ParseOperationIdError, Progress, Snapshot, Status,
};
pub use os_signal::Signal;
pub use reason::{ParentCause, Reason, ReasonKind};
pub use registry::{
    Drained, Event, Events, Filter, HistoryQuery, Inspection, Phase, Record, Registry, Stats,
};
#[cfg(feature = "time")]
pub use registry::{ServiceEnd, Shutdown, ShutdownPlan, ShutdownReport, ShutdownWhen};
#[cfg(feature = "time")]
pub use shield::shield_for;
pub use shield::{Shield, shield};
#[cfg(feature = "blocking")]
pub use source::condition_blocking;
pub use source::{CancellationToken, DropGuard, Registration, Sources, all_of, any_of, never};
#[cfg(feature = "time")]
pub use source::{condition, condition_async, deadline, timeout};
#[cfg(feature = "signal")]
pub use source::{ctrl_c, signal, signals, termination};
pub use stream::{CancelableStream, CancelableStreamExt, Each, InChunks, Partial, Shape};
pub use text::Text;
