// A snippet of the README needs the feature `dashboard`, so its snippets are tested with that feature only.
#![cfg_attr(any(not(doctest), feature = "dashboard"), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

// In layer order: a module uses only modules above it.
mod grpc_timeout;

mod format;

mod inbound;

mod answer;

mod config;

mod streaming;

mod exchange;

mod running;

mod response;

mod service;

mod layer;

mod outbound;

mod call;

mod propagate;

#[cfg(feature = "reqwest-middleware")]
mod reqwest;

#[cfg(feature = "dashboard")]
mod dashboard;

pub use call::{PropagateBody, PropagateError, PropagateFuture};
#[cfg(feature = "dashboard")]
pub use dashboard::{Dashboard, DashboardBody, Table};
pub use inbound::Inbound;
pub use layer::OperationLayer;
pub use outbound::Outbound;
pub use propagate::{Propagate, PropagateLayer};
pub use response::{ResponseBody, ResponseFuture};
pub use service::OperationService;

/// A boxed error of any type, as the bodies of this crate return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The pages about services from the documentation of `cancelable`. Including them here compiles their snippets.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/guide/20-services.md")]
    mod services {}

    #[doc = include_str!("../../docs/migration/from-tower-http.md")]
    mod from_tower_http {}
}
