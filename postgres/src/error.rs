//! `Error`: why a call to the server failed.

use std::error;
use std::fmt;
use std::io;

use tokio_postgres::error::SqlState;

/// The error of a call to the server. The bus tries again after each of these errors.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream to the server could not be opened.
    Stream(io::Error),
    /// There is no connection at the moment.
    NotConnected,
    /// The server refused the call, or the connection was lost.
    Postgres(tokio_postgres::Error),
}

impl Error {
    /// Returns whether the tables are missing, so that [`migrate`](crate::Postgres::migrate) has to be called.
    pub fn needs_migration(&self) -> bool {
        let missing = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
        let code = match self {
            Error::Postgres(error) => error.code(),
            _ => None,
        };
        code.is_some_and(|code| missing.contains(code))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.needs_migration() {
            return f.write_str("the tables of the bus are missing: call `Postgres::migrate`");
        }
        match self {
            Error::Stream(error) => write!(f, "no stream to the server: {error}"),
            Error::NotConnected => f.write_str("not connected to the server"),
            Error::Postgres(error) => match error.as_db_error() {
                Some(database) => write!(f, "the server refused: {database}"),
                None => write!(f, "the connection failed: {error}"),
            },
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Error::Stream(error) => Some(error),
            Error::Postgres(error) => Some(error),
            Error::NotConnected => None,
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Error::Postgres(error)
    }
}
