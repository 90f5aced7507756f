//! `Ticket`: the identity of a run, before it begins.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::id::RunId;
use crate::name::Key;
use crate::time::StoreTime;

/// The identity of a run that has not begun: its identifier, its key, and its deadline.
///
/// Create one when the work is ordered, and send it as text to the process that does the work, in a job queue or a header.
/// The run can then be cancelled before it begins. If nothing needs the identifier that early, the process that does the
/// work can create the ticket, with or without a key.
///
/// A ticket is good for one run: [`Bus::register`](crate::Bus::register) cancels the operation if another process has
/// already begun a run with that identifier. For another attempt at the same job, use [`again`](Self::again).
///
/// # Examples
///
/// ```
/// use cancelable_bus::{Key, Ticket};
///
/// let ticket = Ticket::new().with_key(Key::new("customer 7")?);
/// let text = ticket.to_string();
/// assert_eq!(text.parse(), Ok(ticket));
/// # Ok::<(), cancelable_bus::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    run: RunId,
    key: Option<Key>,
    deadline: Option<StoreTime>,
}

impl Ticket {
    /// Creates a ticket with a fresh identifier, without a key or a deadline.
    #[allow(clippy::new_without_default, reason = "each call returns another value")]
    pub fn new() -> Self {
        Ticket { run: RunId::new(), key: None, deadline: None }
    }

    /// Sets the key.
    #[must_use]
    pub fn with_key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the deadline, on the clock of the store: the result of [`Bus::now`](crate::Bus::now) plus the time that
    /// is left. The process that does the work passes it to [`Bus::deadline`](crate::Bus::deadline).
    #[must_use]
    pub fn until(mut self, deadline: StoreTime) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Creates a ticket for another run, with the same key and deadline.
    ///
    /// ```
    /// use cancelable_bus::{Key, Ticket};
    /// let first = Ticket::from(Key::new("customer 7")?);
    /// let second = first.again();
    /// assert_ne!(second.run(), first.run());
    /// assert_eq!(second.key(), first.key());
    /// # Ok::<(), cancelable_bus::Invalid>(())
    /// ```
    #[must_use]
    pub fn again(&self) -> Self {
        Ticket { run: RunId::new(), ..self.clone() }
    }

    /// Returns the identifier of the run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Returns the key.
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Returns the deadline.
    pub fn deadline(&self) -> Option<StoreTime> {
        self.deadline
    }
}

/// Creates a ticket with a fresh identifier and this key.
impl From<Key> for Ticket {
    fn from(key: Key) -> Self {
        Ticket::new().with_key(key)
    }
}

/// Writes the identifier, the deadline in microseconds, and the key, with a semicolon between them.
impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};", self.run)?;
        self.deadline.map_or(Ok(()), |at| write!(f, "{}", at.as_micros()))?;
        write!(f, ";{}", self.key.as_ref().map_or("", Key::as_str))
    }
}

impl FromStr for Ticket {
    type Err = ParseTicketError;

    fn from_str(text: &str) -> Result<Self, ParseTicketError> {
        let mut parts = text.splitn(3, ';');
        let (Some(run), Some(deadline), Some(key)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseTicketError(()));
        };
        let deadline = match deadline {
            "" => None,
            micros => Some(micros.parse().map_err(|_| ParseTicketError(()))?),
        };
        let key = match key {
            "" => None,
            key => Some(Key::new(key.to_owned()).map_err(|_| ParseTicketError(()))?),
        };
        Ok(Ticket {
            run: run.parse().map_err(|_| ParseTicketError(()))?,
            key,
            deadline: deadline.map(StoreTime::from_micros),
        })
    }
}

/// The error returned when a string is not a [`Ticket`].
///
/// ```
/// use cancelable_bus::Ticket;
/// let error = "seven".parse::<Ticket>().unwrap_err();
/// assert_eq!(error.to_string(), "not a ticket: expected a UUID, a deadline and a key between semicolons");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseTicketError(());

impl fmt::Display for ParseTicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a ticket: expected a UUID, a deadline and a key between semicolons")
    }
}

impl Error for ParseTicketError {}
