#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

// In layer order: a module uses only modules above it.
mod grpc_timeout;

mod format;

mod inbound;

mod answer;

mod exchange;

mod running;

mod layer;

mod response;

mod propagate;

pub use inbound::Inbound;
pub use layer::{OperationLayer, OperationService};
pub use propagate::{
    Outbound, Propagate, PropagateBody, PropagateError, PropagateFuture, PropagateLayer,
};
pub use response::{ResponseBody, ResponseFuture};

/// An error of any type, as bodies have it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
