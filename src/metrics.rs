//! Metrics of operations, for the recorder of the crate [`metrics`](https://docs.rs/metrics).
//!
//! Call [`enable`] once, after the program has installed its recorder, such as the one of `metrics-exporter-prometheus`.
//! From then on, each operation that starts is counted. Plain races are not operations, and are not counted.
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | [`cancelable_operations_started_total`](STARTED) | counter | `operation` |
//! | [`cancelable_operations_ended_total`](ENDED) | counter | `operation`, `outcome`, `reason` |
//! | [`cancelable_operations_running`](RUNNING) | gauge | `operation` |
//! | [`cancelable_operation_duration_seconds`](DURATION) | histogram | `operation`, `outcome` |
//! | [`cancelable_operation_cancellation_latency_seconds`](CANCELLATION_LATENCY) | histogram | `operation`, `reason` |
//! | [`cancelable_operation_longest_poll_seconds`](LONGEST_POLL) | histogram | `operation` |
//!
//! # Labels
//!
//! The number of time series depends on the program alone, not on its input:
//!
//! * `operation` is the [name](crate::Cancelable::named) of the operation if that is a literal. A name that was made at run
//!   time, such as `format!("page {url}")`, is reported as `other`. An operation without a name is reported as `unnamed`.
//! * `outcome` is `completed`, `failed` or `cancelled`.
//! * `reason` is the [kind](crate::ReasonKind) of the reason, such as `timeout`, or `none` if the operation was not cancelled.
//!
//! # Cost
//!
//! Before [`enable`] is called, an operation only loads one flag. Afterwards, each operation makes about ten calls to the
//! recorder, and each of its polls reads the clock twice.
//!
//! # Examples
//!
//! ```
//! use cancelable::prelude::*;
//!
//! // Install a recorder first.
//! cancelable::metrics::enable();
//! # smol::block_on(async {
//! assert_eq!(async { 7 }.cancelable(never()).named("fetch").await, Ok(7));
//! # });
//! ```

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

use crate::panic::contain;
use crate::sync::{AtomicBool, Ordering};

/// Name of the counter of operations that have started.
pub const STARTED: &str = "cancelable_operations_started_total";

/// Name of the counter of operations that have ended, clean-up and hooks included.
pub const ENDED: &str = "cancelable_operations_ended_total";

/// Name of the gauge of operations that have started and not ended.
pub const RUNNING: &str = "cancelable_operations_running";

/// Name of the histogram of the time from the first poll to the end.
pub const DURATION: &str = "cancelable_operation_duration_seconds";

/// Name of the histogram of the time from the request to cancel an operation to its end. It includes operations whose work
/// still completed after the request.
pub const CANCELLATION_LATENCY: &str = "cancelable_operation_cancellation_latency_seconds";

/// Name of the histogram of each operation's longest poll. A long poll delays the other tasks of its thread.
pub const LONGEST_POLL: &str = "cancelable_operation_longest_poll_seconds";

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Starts to count operations, and describes the metrics to the current recorder. Operations that started before this call
/// are not counted.
///
/// Call this after the program has installed its recorder. Another call only describes the metrics again. Counting cannot be
/// switched off.
///
/// ```
/// cancelable::metrics::enable();
/// ```
pub fn enable() {
    // If the recorder panics, the panic is printed, and some metrics have no description.
    let _ = contain(describe);
    ENABLED.store(true, Ordering::Relaxed);
}

#[inline]
pub(crate) fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

fn describe() {
    describe_counter!(STARTED, Unit::Count, "Operations that have started.");
    describe_counter!(ENDED, Unit::Count, "Operations that have ended.");
    describe_gauge!(RUNNING, Unit::Count, "Operations that have started and not ended.");
    describe_histogram!(DURATION, Unit::Seconds, "Time from the first poll to the end.");
    describe_histogram!(
        CANCELLATION_LATENCY,
        Unit::Seconds,
        "Time from the request to cancel to the end."
    );
    describe_histogram!(LONGEST_POLL, Unit::Seconds, "Longest poll of each operation.");
}
