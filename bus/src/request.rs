//! `Request`: what a requester sends.

use std::time::Duration;

use crate::id::{RequestId, RunId};
use crate::invalid::{Invalid, check_time};
use crate::name::Key;
use crate::remote_reason::RemoteReason;

/// How long a request is kept by default for a run that has not begun.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);

/// The longest time for which a request can be kept.
const LONGEST_LIFETIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// The runs that a request is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recipient {
    /// One run. If it has not begun yet, the request waits for it until the [lifetime](Request::lifetime) is over.
    Run(RunId),
    /// The runs that are registered under the key now.
    Key(Key),
    /// The runs that are registered under the key now, and those that begin before the
    /// [lifetime](Request::lifetime) is over or the key is unblocked.
    Block(Key),
}

/// A request to cancel runs in other processes.
///
/// A request has an identifier from the start. If sending it fails, send the same value again: the request takes effect
/// once, whether the first attempt had reached the store or not.
///
/// # Examples
///
/// ```
/// use cancelable_bus::{Recipient, Request, RunId};
///
/// let run = RunId::new();
/// let request = Request::run(run, "not needed").by("alice");
/// assert_eq!(request.recipient(), &Recipient::Run(run));
/// assert_eq!(request.reason().to_string(), "not needed (by alice)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    id: RequestId,
    recipient: Recipient,
    reason: RemoteReason,
    lifetime: Duration,
}

impl Request {
    /// Creates a request for a recipient.
    pub fn new(recipient: Recipient, reason: impl Into<RemoteReason>) -> Self {
        let reason = reason.into();
        Request { id: RequestId::new(), recipient, reason, lifetime: DEFAULT_LIFETIME }
    }

    /// Creates a request for one run.
    pub fn run(run: RunId, reason: impl Into<RemoteReason>) -> Self {
        Request::new(Recipient::Run(run), reason)
    }

    /// Creates a request for the runs that are registered under a key when it is sent.
    pub fn key(key: Key, reason: impl Into<RemoteReason>) -> Self {
        Request::new(Recipient::Key(key), reason)
    }

    /// Creates a request for the runs that are registered under a key when it is sent, and for those that begin
    /// before `lifetime` is over.
    pub fn block(key: Key, lifetime: Duration, reason: impl Into<RemoteReason>) -> Self {
        Request::new(Recipient::Block(key), reason).keep_for(lifetime)
    }

    /// Names the requester.
    #[must_use]
    pub fn by(mut self, requester: impl Into<cancelable::Text>) -> Self {
        self.reason = self.reason.by(requester);
        self
    }

    /// Sets how long the request applies to runs that begin later: from 1 ms to 366 days. The default is one hour.
    ///
    /// A run that began in time gets the request even if the delivery takes longer.
    #[must_use]
    pub fn keep_for(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the identifier. Use this method if the request is made from a message that may arrive twice.
    #[must_use]
    pub fn with_id(mut self, id: RequestId) -> Self {
        self.id = id;
        self
    }

    /// Returns the identifier.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Returns the runs that the request is for.
    pub fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// Returns the reason.
    pub fn reason(&self) -> &RemoteReason {
        &self.reason
    }

    /// Returns how long the request applies to runs that begin later.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Checks the reason and the lifetime that the caller has set. The bus does so before it sends the request.
    ///
    /// # Errors
    ///
    /// If the message is longer than 1,000 bytes, the name of the requester is longer than 200 bytes, one of them
    /// contains a control character, or the lifetime is not between 1 ms and 366 days.
    pub fn check(&self) -> Result<(), Invalid> {
        self.reason.check()?;
        check_time("lifetime", self.lifetime, Duration::from_millis(1), LONGEST_LIFETIME)
    }
}
