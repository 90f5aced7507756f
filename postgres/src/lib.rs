#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

// In layer order: a module uses only modules above it.
mod error;

mod statements;

mod session;

mod link;

mod connector;

mod postgres;

mod engine;

pub use connector::{Connector, Tls};
pub use error::Error;
pub use postgres::{MIGRATION, Postgres};
/// The crate that speaks PostgreSQL's protocol. It defines the types of the configuration and of the TLS connectors.
pub use tokio_postgres;
