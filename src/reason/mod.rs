//! Why something was cancelled: [`Reason`], its [`ReasonKind`], its [`ParentCause`] and its [`TimeoutLabel`].

mod create;
mod exit;
mod kind;
mod label;
mod parent;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "signal")]
pub(crate) use exit::end_by;
#[cfg(feature = "signal")]
pub use exit::exit_like;
pub(crate) use exit::exit_number;
pub use kind::ReasonKind;
pub use label::TimeoutLabel;
pub use parent::ParentCause;

use crate::signal_kind::Signal;
use crate::text::{Brief, Text};

/// Why something was cancelled.
///
/// Every source is a future that resolves to a `Reason`. If several sources fire, the first reason is kept.
///
/// A `Reason` has at most 32 bytes, and cloning it never allocates. Two reasons are equal if they are
/// of the same kind and hold equal values. Two [errors](Reason::Error) are equal only if they are
/// clones of one error.
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
    #[non_exhaustive]
    Timeout {
        /// The length of the limit, measured from its start.
        after: Duration,
        /// The name of the limit, and why it was set. `None` if a [`timeout`](crate::timeout()) has neither.
        label: Option<Arc<TimeoutLabel>>,
    },
    /// `cancel` or `cancel_with` was called.
    Manual {
        /// The message passed to `cancel_with`, if any.
        message: Option<Text>,
    },
    /// The process received a signal of the operating system.
    Signal {
        /// The signal.
        signal: Signal,
    },
    /// A condition was met.
    Condition {
        /// The name of the condition.
        name: Text,
        /// Number of checks, including the one that returned true.
        checks: u64,
    },
    /// A parent was cancelled: a parent token, or an enclosing operation.
    ///
    /// A `Parent` holds the reason at the top of the tree, however deep the tree is. It never holds another `Parent`.
    #[non_exhaustive]
    Parent {
        /// The reason of the parent, and its name.
        reason: Arc<ParentCause>,
    },
    /// Every source of an [`all_of`](crate::all_of()) fired.
    ///
    /// The list is flat: it never contains an `All`, nor a `Parent` that wraps an `All`.
    #[non_exhaustive]
    All {
        /// The reason of each source, in the order of the list.
        reasons: Arc<[Reason]>,
    },
    /// An error caused the cancellation.
    #[non_exhaustive]
    Error {
        /// The error. [`downcast_ref`](Reason::downcast_ref) returns it with its type.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// The other side disconnected: a client closed its connection, for instance.
    Disconnected,
    /// The owner of the work was dropped: the future around it, or a guard.
    Dropped,
}

// A source that fires moves its reason, so a reason must be small.
const _: () = assert!(size_of::<Reason>() <= 4 * size_of::<u64>());

impl Reason {
    /// Returns the kind of this reason.
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

    /// Returns the message.
    ///
    /// For [`Manual`](Reason::Manual) this is exactly the message that was passed in, or `None`. For
    /// every other kind it is what `Display` prints.
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

    /// Returns the reason inside a [`Parent`](Reason::Parent); for any other kind, the reason itself.
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

    /// Returns the elements of an [`All`](Reason::All); for any other kind, the reason itself.
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

    /// Returns the name of the time limit, of the condition, or of the parent in this reason.
    ///
    /// ```
    /// use cancelable::Reason;
    /// use std::time::Duration;
    /// assert_eq!(Reason::timeout_named("index", Duration::ZERO).name(), Some("index"));
    /// assert_eq!(Reason::condition("disk", 3).name(), Some("disk"));
    /// assert_eq!(Reason::timeout(Duration::ZERO).name(), None);
    /// ```
    pub fn name(&self) -> Option<&str> {
        match self {
            Reason::Timeout { label, .. } => label.as_ref()?.name(),
            Reason::Condition { name, .. } => Some(name),
            Reason::Parent { reason: cause } => cause.name(),
            _ => None,
        }
    }

    /// Returns the error of type `E` that caused the cancellation.
    ///
    /// This looks at the [root](Reason::root) of the reason. For a time limit, it looks at the [cause](TimeoutLabel::cause).
    /// For an [`All`](Reason::All), it returns the first error of that type among the elements.
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

    /// Iterates over the errors that caused the cancellation, in order.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &(dyn Error + Send + Sync + 'static)> {
        self.root().leaves().iter().filter_map(|leaf| leaf.root().error_of_leaf())
    }

    fn error_of_leaf(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match self {
            Reason::Error { error } => Some(&**error),
            Reason::Timeout { label: Some(label), .. } => {
                label.cause()?.root().leaves().iter().find_map(|leaf| leaf.root().error_of_leaf())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Timeout { after, label } => {
                let label = label.as_deref();
                match after.as_millis() {
                    _ if !label.is_some_and(|label| label.is_deadline) => {
                        write!(f, "timed out after {after:?}")?;
                    }
                    // The deadline had passed before the work started.
                    0 => f.write_str("deadline passed")?,
                    _ => write!(f, "deadline passed after {}", Brief(*after))?,
                }
                label.map_or(Ok(()), |label| fmt::Display::fmt(label, f))
            }
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
            (Reason::Timeout { after: a, label: m }, Reason::Timeout { after: b, label: n }) => {
                a == b && label::are_equal(m.as_deref(), n.as_deref())
            }
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
