//! Why something was cancelled: [`Reason`], its [`ReasonKind`] and its [`ParentCause`].

mod kind;
mod parent;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use kind::ReasonKind;
pub use parent::ParentCause;

use crate::{Signal, Text};

/// Why something was cancelled.
///
/// Every source is a future of a `Reason`. The first reason to arrive is the one that is kept.
/// A `Reason` takes 32 bytes at most. Cloning one never allocates.
///
/// Two reasons are equal when they are of the same kind and say the same. Two
/// [errors](Reason::Error) are equal when they are the same error, not merely similar ones.
///
/// # Examples
///
/// ```
/// use cancelable::{Reason, ReasonKind};
/// use std::time::Duration;
///
/// let reason = Reason::timeout(Duration::from_secs(30));
/// assert_eq!(reason.kind(), ReasonKind::Timeout);
/// assert_eq!(reason.to_string(), "timed out after 30s");
///
/// let reason = Reason::from("the user closed the window");
/// assert_eq!(reason.message().as_deref(), Some("the user closed the window"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// A time limit passed.
    Timeout {
        /// How long the limit was, measured from when its clock started.
        after: Duration,
    },
    /// Someone asked for it.
    Manual {
        /// What they said, if anything.
        message: Option<Text>,
    },
    /// The process received a signal of the operating system.
    Signal {
        /// Which one.
        signal: Signal,
    },
    /// A condition was met.
    Condition {
        /// The name of the condition.
        name: Text,
        /// How many checks it took, the one that was met included.
        checks: u64,
    },
    /// Something above was cancelled: a parent token, for instance.
    ///
    /// However deep the tree, this holds what happened at its top: never another `Parent`.
    #[non_exhaustive]
    Parent {
        /// Why the one above was cancelled, and which one that is.
        reason: Arc<ParentCause>,
    },
    /// Every source of an [`all_of`](crate::all_of()) fired.
    ///
    /// The list is flat: never does it hold another `All`, nor the `Parent` of one.
    #[non_exhaustive]
    All {
        /// The reason of each, in the order in which the sources were listed.
        reasons: Arc<[Reason]>,
    },
    /// An error was the cause.
    #[non_exhaustive]
    Error {
        /// The error. [`downcast_ref`](Reason::downcast_ref) gives it back with its type.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// The other side went away: a client that hung up, for instance.
    Disconnected,
    /// What owned the work was dropped: the future around it, or a guard.
    Dropped,
}

// Reasons travel by value through every poll that is ready.
const _: () = assert!(size_of::<Reason>() <= 4 * size_of::<u64>());

impl Reason {
    /// Someone asked for it, and said this.
    ///
    /// ```
    /// use cancelable::Reason;
    /// assert_eq!(Reason::manual("stop").to_string(), "cancelled: stop");
    /// ```
    pub fn manual(message: impl Into<Text>) -> Self {
        Reason::Manual { message: Some(message.into()) }
    }

    /// A time limit of this length passed.
    ///
    /// ```
    /// use cancelable::Reason;
    /// use std::time::Duration;
    /// assert_eq!(Reason::timeout(Duration::from_millis(250)).to_string(), "timed out after 250ms");
    /// ```
    pub fn timeout(after: Duration) -> Self {
        Reason::Timeout { after }
    }

    /// The process received this signal.
    ///
    /// ```
    /// use cancelable::{Reason, Signal};
    /// assert_eq!(Reason::signal(Signal::Term).to_string(), "received SIGTERM (15)");
    /// ```
    pub fn signal(signal: Signal) -> Self {
        Reason::Signal { signal }
    }

    /// The condition of this name was met at this check.
    ///
    /// ```
    /// use cancelable::Reason;
    /// let reason = Reason::condition("disk", 3);
    /// assert_eq!(reason.to_string(), "condition `disk` met after 3 checks");
    /// ```
    pub fn condition(name: impl Into<Text>, checks: u64) -> Self {
        Reason::Condition { name: name.into(), checks }
    }

    /// The one above was cancelled for this reason.
    ///
    /// A reason that already is a [`Parent`](Reason::Parent) comes back as it is: what counts is
    /// what happened at the top.
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

    /// The one above, which has this name, was cancelled for this reason.
    ///
    /// As for [`parent`](Reason::parent), a reason that already is a [`Parent`](Reason::Parent)
    /// comes back as it is.
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

    /// All of these came together.
    ///
    /// The reasons within an [`All`](Reason::All) are taken out of it, so that the list is flat. Those
    /// within the `All` of a [`Parent`](Reason::Parent) become a `Parent` each.
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

    /// An error was the cause.
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

    /// Which kind of reason this is.
    ///
    /// ```
    /// use cancelable::{Reason, ReasonKind};
    /// assert_eq!(Reason::Dropped.kind(), ReasonKind::Dropped);
    /// ```
    pub fn kind(&self) -> ReasonKind {
        match self {
            Reason::Timeout { .. } => ReasonKind::Timeout,
            Reason::Manual { .. } => ReasonKind::Manual,
            Reason::Signal { .. } => ReasonKind::Signal,
            Reason::Condition { .. } => ReasonKind::Condition,
            Reason::Parent { .. } => ReasonKind::Parent,
            Reason::All { .. } => ReasonKind::All,
            Reason::Error { .. } => ReasonKind::Error,
            Reason::Disconnected => ReasonKind::Disconnected,
            Reason::Dropped => ReasonKind::Dropped,
        }
    }

    /// What is to be said about it. For [`Manual`](Reason::Manual) that is exactly what was passed
    /// in, or `None`; for every other kind it is the sentence that `Display` prints.
    ///
    /// ```
    /// use cancelable::Reason;
    /// assert_eq!(Reason::manual("stop").message().as_deref(), Some("stop"));
    /// assert_eq!(Reason::Manual { message: None }.message(), None);
    /// ```
    pub fn message(&self) -> Option<Cow<'_, str>> {
        match self {
            Reason::Manual { message } => message.as_deref().map(Cow::Borrowed),
            other => Some(Cow::Owned(other.to_string())),
        }
    }

    /// What happened at the top: the reason within a [`Parent`](Reason::Parent), or this one.
    ///
    /// ```
    /// use cancelable::Reason;
    /// assert_eq!(Reason::parent(Reason::Dropped).root(), &Reason::Dropped);
    /// assert_eq!(Reason::Dropped.root(), &Reason::Dropped);
    /// ```
    pub fn root(&self) -> &Reason {
        let mut reason = self;
        while let Reason::Parent { reason: cause } = reason {
            reason = &cause.reason;
        }
        reason
    }

    /// The reasons that came together in an [`All`](Reason::All), or this one alone.
    ///
    /// ```
    /// use cancelable::Reason;
    /// assert_eq!(Reason::Dropped.leaves(), [Reason::Dropped]);
    /// ```
    pub fn leaves(&self) -> &[Reason] {
        match self {
            Reason::All { reasons } => reasons,
            reason => std::slice::from_ref(reason),
        }
    }

    /// The error of that type that was the cause: here, at the [root](Reason::root), or, where
    /// several reasons came together, the first such among them.
    ///
    /// ```
    /// use cancelable::Reason;
    /// let reason = Reason::parent(Reason::error(std::fmt::Error));
    /// assert!(reason.downcast_ref::<std::fmt::Error>().is_some());
    /// assert!(reason.downcast_ref::<std::io::Error>().is_none());
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.errors().find_map(|error| error.downcast_ref())
    }

    /// The errors that were causes, in order.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &(dyn Error + Send + Sync + 'static)> {
        self.root().leaves().iter().filter_map(|leaf| match leaf.root() {
            Reason::Error { error } => Some(&**error),
            _ => None,
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Timeout { after } => write!(f, "timed out after {after:?}"),
            Reason::Manual { message: None } => f.write_str("cancelled"),
            Reason::Manual { message: Some(message) } => write!(f, "cancelled: {message}"),
            Reason::Signal { signal } => write!(f, "received {signal}"),
            Reason::Condition { name, checks } => {
                let plural = if *checks == 1 { "" } else { "s" };
                write!(f, "condition `{name}` met after {checks} check{plural}")
            }
            Reason::Parent { reason: cause } => fmt::Display::fmt(cause, f),
            Reason::All { reasons } => {
                f.write_str("all of")?;
                for (index, reason) in reasons.iter().enumerate() {
                    write!(f, "{} {reason}", if index == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
            Reason::Error { error } => write!(f, "cancelled by an error: {error}"),
            Reason::Disconnected => f.write_str("the other side disconnected"),
            Reason::Dropped => f.write_str("dropped before it was done"),
        }
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Reason::Timeout { after: a }, Reason::Timeout { after: b }) => a == b,
            (Reason::Manual { message: a }, Reason::Manual { message: b }) => a == b,
            (Reason::Signal { signal: a }, Reason::Signal { signal: b }) => a == b,
            (
                Reason::Condition { name: a, checks: m },
                Reason::Condition { name: b, checks: n },
            ) => a == b && m == n,
            (Reason::Parent { reason: a }, Reason::Parent { reason: b }) => a == b,
            (Reason::All { reasons: a }, Reason::All { reasons: b }) => a == b,
            (Reason::Error { error: a }, Reason::Error { error: b }) => Arc::ptr_eq(a, b),
            (Reason::Disconnected, Reason::Disconnected) => true,
            (Reason::Dropped, Reason::Dropped) => true,
            _ => false,
        }
    }
}

impl Eq for Reason {}

/// [`Manual`](Reason::Manual), with that message.
impl From<&'static str> for Reason {
    fn from(message: &'static str) -> Self {
        Reason::manual(message)
    }
}

/// [`Manual`](Reason::Manual), with that message.
impl From<String> for Reason {
    fn from(message: String) -> Self {
        Reason::manual(message)
    }
}

/// [`Manual`](Reason::Manual), with that message.
impl From<Cow<'static, str>> for Reason {
    fn from(message: Cow<'static, str>) -> Self {
        Reason::manual(message)
    }
}

/// [`Manual`](Reason::Manual), with that message.
impl From<Text> for Reason {
    fn from(message: Text) -> Self {
        Reason::manual(message)
    }
}
