//! The identifiers of runs, requests and processes.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The error returned when a string is not an identifier of the bus.
///
/// ```
/// use cancelable_bus::RunId;
/// let error = "seven".parse::<RunId>().unwrap_err();
/// assert_eq!(error.to_string(), "not an identifier: expected a UUID");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseIdError(());

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identifier: expected a UUID")
    }
}

impl Error for ParseIdError {}

macro_rules! ids {
    ($($(#[$doc:meta])* $Id:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// It is a random UUID. Identifiers do not come from a counter, so a restart never repeats one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Id(Uuid);

        impl $Id {
            /// Creates an identifier that no other process has.
            #[allow(clippy::new_without_default, reason = "each call returns another value")]
            pub fn new() -> Self {
                $Id(Uuid::new_v4())
            }

            /// Returns the UUID.
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        /// Takes an identifier that came from elsewhere, such as a row of a table.
        impl From<Uuid> for $Id {
            fn from(uuid: Uuid) -> Self {
                $Id(uuid)
            }
        }

        impl fmt::Display for $Id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $Id {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.parse().map($Id).map_err(|_| ParseIdError(()))
            }
        }
    )*};
}

ids! {
    /// Identifies a run: one execution of one operation that is registered with the bus.
    ///
    /// Use it as a fencing token: a second run of the same job has a different one.
    ///
    /// ```
    /// use cancelable_bus::RunId;
    /// let run = RunId::new();
    /// assert_eq!(run.to_string().parse(), Ok(run));
    /// ```
    RunId;

    /// Identifies a request. Sending a request again under the same identifier changes nothing.
    ///
    /// ```
    /// use cancelable_bus::RequestId;
    /// assert_ne!(RequestId::new(), RequestId::new());
    /// ```
    RequestId;

    /// Identifies one lifetime of a process: the process gets a new identifier when it restarts.
    ///
    /// ```
    /// use cancelable_bus::ProcessId;
    /// let process = ProcessId::new();
    /// assert_eq!(ProcessId::from(process.as_uuid()), process);
    /// ```
    ProcessId;
}
