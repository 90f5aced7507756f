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

mod ticket;

pub mod engine;

mod delivery;

mod error;

mod clock;

mod signal;

mod bus;

pub mod memory;

pub use bus::{Bus, BusBuilder, Driver, Health, Run, WaitForLease};
pub use delivery::Delivery;
#[doc(inline)]
pub use engine::{Engine, ProcessStatus};
pub use error::Error;
pub use id::{ParseIdError, ProcessId, RequestId, RunId};
pub use invalid::{Invalid, Problem};
#[doc(inline)]
pub use memory::Memory;
pub use name::{Key, Scope};
pub use remote_reason::RemoteReason;
pub use request::{Recipient, Request};
pub use ticket::{ParseTicketError, Ticket};
pub use time::StoreTime;
