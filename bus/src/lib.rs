#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

// In layer order: a module uses only modules above it.
mod id;

mod invalid;

mod name;

mod remote_reason;

mod request;

mod time;

pub mod engine;

#[doc(inline)]
pub use engine::Engine;
pub use id::{ParseIdError, ProcessId, RequestId, RunId};
pub use invalid::{Invalid, Problem};
pub use name::{Key, Scope};
pub use remote_reason::RemoteReason;
pub use request::{Recipient, Request};
pub use time::StoreTime;
