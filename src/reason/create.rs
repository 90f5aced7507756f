//! How reasons are created: a function for each kind, and conversions from strings.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::{ParentCause, Reason, ReasonKind, TimeoutLabel};
use crate::signal_kind::Signal;
use crate::text::Text;

impl Reason {
    /// Creates a [`Manual`](Reason::Manual) reason with a message.
    ///
    /// ```
    /// use cancelable::Reason;
    /// assert_eq!(Reason::manual("stop").to_string(), "cancelled: stop");
    /// ```
    pub fn manual(message: impl Into<Text>) -> Self {
        Reason::Manual { message: Some(message.into()) }
    }

    /// Creates a [`Timeout`](Reason::Timeout) reason for a limit of this length.
    ///
    /// ```
    /// use cancelable::Reason;
    /// use std::time::Duration;
    /// assert_eq!(Reason::timeout(Duration::from_millis(250)).to_string(), "timed out after 250ms");
    /// ```
    pub fn timeout(after: Duration) -> Self {
        Reason::Timeout { after, label: None }
    }

    /// Creates a [`Timeout`](Reason::Timeout) reason for a limit with a name. It equals the reason of a
    /// [named](crate::source::Timeout::named) limit.
    ///
    /// ```
    /// use cancelable::Reason;
    /// use std::time::Duration;
    /// let reason = Reason::timeout_named("index", Duration::from_secs(30));
    /// assert_eq!(reason.to_string(), "timed out after 30s (index)");
    /// ```
    pub fn timeout_named(name: impl Into<Text>, after: Duration) -> Self {
        let label = TimeoutLabel { name: Some(name.into()), ..TimeoutLabel::default() };
        Reason::Timeout { after, label: Some(Arc::new(label)) }
    }

    /// Creates a [`Signal`](Reason::Signal) reason.
    ///
    /// ```
    /// use cancelable::{Reason, Signal};
    /// assert_eq!(Reason::signal(Signal::Term).to_string(), "received SIGTERM (15)");
    /// ```
    pub fn signal(signal: Signal) -> Self {
        Reason::Signal { signal }
    }

    /// Creates a [`Condition`](Reason::Condition) reason: the condition `name` was met at check number
    /// `checks`.
    ///
    /// ```
    /// use cancelable::Reason;
    /// let reason = Reason::condition("disk", 3);
    /// assert_eq!(reason.to_string(), "condition `disk` met after 3 checks");
    /// ```
    pub fn condition(name: impl Into<Text>, checks: u64) -> Self {
        Reason::Condition { name: name.into(), checks }
    }

    /// Creates a [`Parent`](Reason::Parent) reason from the reason of the parent.
    ///
    /// If `reason` is a [`Parent`](Reason::Parent) already, it is returned unchanged. So the result always holds the reason
    /// at the top of the tree.
    ///
    /// ```
    /// use cancelable::Reason;
    /// let reason = Reason::parent(Reason::parent(Reason::manual("stop")));
    /// assert_eq!(reason.to_string(), "parent cancelled: stop");
    /// assert_eq!(reason.root(), &Reason::manual("stop"));
    /// ```
    pub fn parent(reason: Reason) -> Self {
        Reason::parent_named(None, reason)
    }

    /// Creates a [`Parent`](Reason::Parent) reason from the name and the reason of the parent.
    ///
    /// If `reason` is a [`Parent`](Reason::Parent) already, it is returned unchanged. [`parent`](Reason::parent) does the same.
    ///
    /// ```
    /// use cancelable::{Reason, Text};
    /// let reason = Reason::parent_named(Some(Text::from("ingest")), Reason::Disconnected);
    /// assert_eq!(reason.to_string(), "parent `ingest` cancelled: the other side disconnected");
    /// ```
    pub fn parent_named(name: Option<Text>, reason: Reason) -> Self {
        match reason {
            parent @ Reason::Parent { .. } => parent,
            reason => Reason::Parent { reason: Arc::new(ParentCause { name, reason }) },
        }
    }

    /// Creates an [`All`](Reason::All) reason from the reasons of all sources.
    ///
    /// The list is kept flat. An [`All`](Reason::All) among `reasons` is replaced by its elements; a
    /// [`Parent`](Reason::Parent) of an `All` is replaced by a `Parent` of each element.
    ///
    /// ```
    /// use cancelable::Reason;
    /// let both = Reason::all([Reason::manual("a"), Reason::Disconnected]);
    /// assert_eq!(both.leaves().len(), 2);
    /// assert_eq!(both.to_string(), "all of: cancelled: a; the other side disconnected");
    /// ```
    pub fn all(reasons: impl IntoIterator<Item = Reason>) -> Self {
        let mut flat = Vec::new();
        for reason in reasons {
            match reason {
                Reason::All { reasons } => flat.extend(reasons.iter().cloned()),
                Reason::Parent { reason: cause } if cause.reason.kind() == ReasonKind::All => {
                    let leaves = cause.reason.leaves().iter().cloned();
                    flat.extend(leaves.map(|leaf| Reason::parent_named(cause.name.clone(), leaf)));
                }
                reason => flat.push(reason),
            }
        }
        Reason::All { reasons: flat.into() }
    }

    /// Creates an [`Error`](Reason::Error) reason.
    ///
    /// ```
    /// use cancelable::Reason;
    /// use std::num::ParseIntError;
    ///
    /// let error = "x".parse::<i32>().unwrap_err();
    /// let reason = Reason::error(error.clone());
    /// assert_eq!(reason.downcast_ref::<ParseIntError>(), Some(&error));
    /// ```
    pub fn error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Reason::Error { error: error.into().into() }
    }
}

/// Creates a [`Manual`](Reason::Manual) reason with this message.
impl From<&'static str> for Reason {
    fn from(message: &'static str) -> Self {
        Reason::manual(message)
    }
}

/// Creates a [`Manual`](Reason::Manual) reason with this message.
impl From<String> for Reason {
    fn from(message: String) -> Self {
        Reason::manual(message)
    }
}

/// Creates a [`Manual`](Reason::Manual) reason with a copy of this message.
impl From<&String> for Reason {
    fn from(message: &String) -> Self {
        Reason::manual(message)
    }
}

/// Creates a [`Manual`](Reason::Manual) reason with this message.
impl From<Cow<'static, str>> for Reason {
    fn from(message: Cow<'static, str>) -> Self {
        Reason::manual(message)
    }
}

/// Creates a [`Manual`](Reason::Manual) reason with this message.
impl From<Text> for Reason {
    fn from(message: Text) -> Self {
        Reason::manual(message)
    }
}
