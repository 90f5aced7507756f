//! Reports operations as spans, with the feature `tracing`, and as metrics, with the feature `metrics`.
//!
//! * [`Observed`]: reports the transitions of one operation. If both features are off, its methods do nothing, and it takes
//!   no space.
//! * `span`: the span of an operation, with the feature `tracing`.
//! * `meter`: the metrics of an operation, with the feature `metrics`.

#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
mod off;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod on;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod span;

#[cfg(not(any(feature = "tracing", feature = "metrics")))]
pub(crate) use off::{Entered, Observed, SpanMaker};
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) use on::Observed;
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) use span::{Entered, SpanMaker};
