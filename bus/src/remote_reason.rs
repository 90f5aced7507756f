//! `RemoteReason`: the reason of a request, as data that a store can hold.

use std::error::Error;
use std::fmt;

use cancelable::{Reason, ReasonKind, Text};

use crate::invalid::{Invalid, check_text};
use crate::name::check_name;

/// The longest message of a reason, in bytes.
const LONGEST_MESSAGE: usize = 1000;

/// The reason of a request: a kind, a message, and the name of the requester.
///
/// A [`Reason`] converts into a `RemoteReason`. An error is sent as text, because its type may not exist in the other
/// process. A kind that this process does not know becomes [`ReasonKind::Manual`].
///
/// # The reason that the operation gets
///
/// [`to_reason`](Self::to_reason) creates the reason of the operation. A disconnection stays [`Reason::Disconnected`]. An
/// error becomes a [`Reason::Error`] that [downcasts](Reason::downcast_ref) to this type. Every other kind becomes a
/// [`Reason::Manual`] whose message is the text of the reason. The requester is named at the end of the text.
///
/// # Examples
///
/// ```
/// use cancelable::Reason;
/// use cancelable_bus::RemoteReason;
///
/// let reason = RemoteReason::from("not needed").by("alice");
/// assert_eq!(reason.to_reason(), Reason::manual("not needed (by alice)"));
///
/// let reason = RemoteReason::from(Reason::timeout(std::time::Duration::from_secs(30)));
/// assert_eq!(reason.to_reason(), Reason::manual("timed out after 30s"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteReason {
    kind: ReasonKind,
    message: Text,
    by: Option<Text>,
}

impl RemoteReason {
    fn manual(message: impl Into<Text>) -> Self {
        RemoteReason { kind: ReasonKind::Manual, message: message.into(), by: None }
    }

    /// Creates a reason from the parts that a store holds: the kind as [`ReasonKind::as_str`] returns it, the message, and
    /// the requester. Implementations of [`Engine`](crate::Engine) need this function.
    ///
    /// ```
    /// use cancelable_bus::RemoteReason;
    /// let stored = RemoteReason::from_parts("manual", "not needed", Some("alice".into()));
    /// assert_eq!(stored, RemoteReason::from("not needed").by("alice"));
    /// ```
    pub fn from_parts(kind: &str, message: impl Into<Text>, by: Option<Text>) -> Self {
        let known = [
            ReasonKind::Timeout,
            ReasonKind::Signal,
            ReasonKind::Condition,
            ReasonKind::Parent,
            ReasonKind::All,
            ReasonKind::Error,
            ReasonKind::Disconnected,
            ReasonKind::Dropped,
        ];
        let kind = known.into_iter().find(|known| known.as_str() == kind);
        RemoteReason { kind: kind.unwrap_or(ReasonKind::Manual), message: message.into(), by }
    }

    /// Names the requester: a user, a service, a host.
    #[must_use]
    pub fn by(mut self, requester: impl Into<Text>) -> Self {
        self.by = Some(requester.into());
        self
    }

    /// Returns the kind of the original reason.
    pub fn kind(&self) -> ReasonKind {
        self.kind
    }

    /// Returns the message. It may be empty.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the name of the requester.
    pub fn requester(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// Returns the reason that the operation gets.
    pub fn to_reason(&self) -> Reason {
        match self.kind {
            ReasonKind::Disconnected => Reason::Disconnected,
            ReasonKind::Error => Reason::error(self.clone()),
            _ if self.message.is_empty() && self.by.is_none() => Reason::Manual { message: None },
            _ => Reason::manual(self.to_string()),
        }
    }

    /// Checks the lengths: at most 1,000 bytes for the message, and 200 for the requester.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        check_text("message", &self.message, LONGEST_MESSAGE, true)?;
        check_name("requester", self.requester().unwrap_or_default())
    }
}

impl From<Reason> for RemoteReason {
    fn from(reason: Reason) -> Self {
        if let Some(remote) = reason.downcast_ref::<RemoteReason>() {
            return remote.clone();
        }
        let root = reason.root();
        let message = match root {
            Reason::Manual { message } => message.clone().unwrap_or_default(),
            Reason::Error { error, .. } => error.to_string().into(),
            Reason::Disconnected => Text::default(),
            other => other.to_string().into(),
        };
        RemoteReason { kind: root.kind(), message, by: None }
    }
}

/// Creates a reason of the kind [`ReasonKind::Manual`] with this message.
impl From<&'static str> for RemoteReason {
    fn from(message: &'static str) -> Self {
        RemoteReason::manual(message)
    }
}

/// Creates a reason of the kind [`ReasonKind::Manual`] with this message.
impl From<String> for RemoteReason {
    fn from(message: String) -> Self {
        RemoteReason::manual(message)
    }
}

/// Shows the message, and the requester in parentheses.
impl fmt::Display for RemoteReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.message.is_empty() || self.by.is_none() { "" } else { " " };
        write!(f, "{}{gap}", self.message)?;
        self.by.as_ref().map_or(Ok(()), |requester| write!(f, "(by {requester})"))
    }
}

impl Error for RemoteReason {}
