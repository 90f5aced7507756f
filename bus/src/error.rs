//! `Error`: why a call of the bus failed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::RequestId;
use crate::invalid::Invalid;

type StoreError = Arc<dyn std::error::Error + Send + Sync>;

/// Why a call of the bus failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A value is not accepted. Nothing was sent.
    Invalid(Invalid),
    /// There was no connection to the store within the time that a call may take. Nothing was sent.
    NotConnected {
        /// Why the last attempt failed, if there was one.
        error: Option<StoreError>,
    },
    /// The store failed. It may have committed the call, so repeat it with the same request.
    Store(StoreError),
    /// The store did not answer in time. It may have committed the call, so repeat it with the same request.
    TimedOut {
        /// How long the call was allowed to take.
        limit: Duration,
    },
    /// The bus was closed, or its driver was dropped.
    Stopped,
    /// The store has no such request: it was never committed, or it was deleted after the retention time.
    UnknownRequest(RequestId),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid(invalid) => fmt::Display::fmt(invalid, f),
            Error::NotConnected { error: Some(error) } => {
                write!(f, "no connection to the store: {error}")
            }
            Error::NotConnected { error: None } => {
                f.write_str("no connection to the store: is the driver of the bus being polled?")
            }
            Error::Store(error) => write!(f, "the store failed: {error}"),
            Error::TimedOut { limit } => write!(f, "no answer of the store within {limit:?}"),
            Error::Stopped => f.write_str("the bus has stopped"),
            Error::UnknownRequest(id) => write!(f, "the store has no request {id}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Invalid(invalid) => Some(invalid),
            Error::NotConnected { error: Some(error) } | Error::Store(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Error::Invalid(invalid)
    }
}
