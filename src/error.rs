//! `Cancelled`: the error that carries a reason.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::{Reason, ReasonKind};

/// The work was cancelled. It carries the [`Reason`].
///
/// `Display` prints the sentence of the reason. [`source`](Error::source) is the error within a
/// [`Reason::Error`], whose words are part of that sentence too: who logs an error sees them even
/// without walking the chain.
///
/// It is two words, and clones share what is in it. To make one allocates, unless the reason is one that
/// says nothing beside its kind, as that of a token that was cancelled without a message.
///
/// # Examples
///
/// ```
/// use cancelable::{Cancelled, CancellationToken};
///
/// fn step(token: &CancellationToken) -> Result<(), Cancelled> {
///     token.check()?;
///     Ok(())
/// }
///
/// let token = CancellationToken::new();
/// token.cancel_with("no longer wanted");
/// let error = step(&token).unwrap_err();
/// assert!(error.is_manual());
/// assert_eq!(error.to_string(), "cancelled: no longer wanted");
/// ```
#[derive(Clone)]
pub struct Cancelled(Why);

/// Two words, so that a `Result` with a small value in it is moved without a detour through memory:
/// nearly all of them hold the value.
#[derive(Clone)]
enum Why {
    /// A reason of which there is but one.
    Plain(&'static Reason),
    Full(Arc<Full>),
}

#[derive(Clone)]
struct Full {
    reason: Reason,
    forced: bool,
}

static MANUAL: Reason = Reason::Manual { message: None };
static DISCONNECTED: Reason = Reason::Disconnected;
static DROPPED: Reason = Reason::Dropped;

impl PartialEq for Cancelled {
    fn eq(&self, other: &Self) -> bool {
        self.reason() == other.reason() && self.was_forced() == other.was_forced()
    }
}

impl Eq for Cancelled {}

impl Cancelled {
    /// An error with this reason: for code of yours that ends a cancellation in its own way.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert_eq!(Cancelled::new("stop").reason(), &Reason::manual("stop"));
    /// ```
    pub fn new(reason: impl Into<Reason>) -> Self {
        Cancelled(match reason.into() {
            Reason::Manual { message: None } => Why::Plain(&MANUAL),
            Reason::Disconnected => Why::Plain(&DISCONNECTED),
            Reason::Dropped => Why::Plain(&DROPPED),
            reason => Why::Full(Arc::new(Full { reason, forced: false })),
        })
    }

    /// The work did not end within its grace period.
    #[cfg(feature = "time")]
    pub(crate) fn forced(reason: Reason) -> Self {
        Cancelled(Why::Full(Arc::new(Full { reason, forced: true })))
    }

    /// Whether the work was given a grace period, did not end within it,
    /// and was dropped.
    ///
    /// ```
    /// assert!(!cancelable::Cancelled::new("stop").was_forced());
    /// ```
    pub fn was_forced(&self) -> bool {
        matches!(&self.0, Why::Full(full) if full.forced)
    }

    /// Why.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert_eq!(Cancelled::new(Reason::Dropped).reason(), &Reason::Dropped);
    /// ```
    pub fn reason(&self) -> &Reason {
        match &self.0 {
            Why::Plain(reason) => reason,
            Why::Full(full) => &full.reason,
        }
    }

    /// Why, by value.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert_eq!(Cancelled::new(Reason::Dropped).into_reason(), Reason::Dropped);
    /// ```
    pub fn into_reason(self) -> Reason {
        match self.0 {
            Why::Plain(reason) => reason.clone(),
            Why::Full(full) => Arc::unwrap_or_clone(full).reason,
        }
    }

    /// Which kind of reason it was.
    ///
    /// ```
    /// use cancelable::{Cancelled, ReasonKind};
    /// assert_eq!(Cancelled::new("stop").kind(), ReasonKind::Manual);
    /// ```
    pub fn kind(&self) -> ReasonKind {
        self.reason().kind()
    }

    /// Whether a time limit of its own passed. That of a parent is [`is_parent`](Self::is_parent).
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// use std::time::Duration;
    /// assert!(Cancelled::new(Reason::timeout(Duration::ZERO)).is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.kind() == ReasonKind::Timeout
    }

    /// Whether someone asked for it.
    ///
    /// ```
    /// assert!(cancelable::Cancelled::new("stop").is_manual());
    /// ```
    pub fn is_manual(&self) -> bool {
        self.kind() == ReasonKind::Manual
    }

    /// Whether a signal of the operating system did it.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason, Signal};
    /// assert!(Cancelled::new(Reason::signal(Signal::Int)).is_signal());
    /// ```
    pub fn is_signal(&self) -> bool {
        self.kind() == ReasonKind::Signal
    }

    /// Whether a condition was met.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::condition("disk", 1)).is_condition());
    /// ```
    pub fn is_condition(&self) -> bool {
        self.kind() == ReasonKind::Condition
    }

    /// Whether it came from above. [`Reason::root`] tells what happened there.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::parent(Reason::Dropped)).is_parent());
    /// ```
    pub fn is_parent(&self) -> bool {
        self.kind() == ReasonKind::Parent
    }

    /// Whether every source of an [`all_of`](crate::all_of()) had fired.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::all([Reason::Dropped])).is_all());
    /// ```
    pub fn is_all(&self) -> bool {
        self.kind() == ReasonKind::All
    }

    /// Whether an error was the cause.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::error("disk on fire")).is_error());
    /// ```
    pub fn is_error(&self) -> bool {
        self.kind() == ReasonKind::Error
    }

    /// Whether the other side went away.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::Disconnected).is_disconnected());
    /// ```
    pub fn is_disconnected(&self) -> bool {
        self.kind() == ReasonKind::Disconnected
    }

    /// Whether what owned the work was dropped.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::Dropped).is_dropped());
    /// ```
    pub fn is_dropped(&self) -> bool {
        self.kind() == ReasonKind::Dropped
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled")
            .field("reason", self.reason())
            .field("forced", &self.was_forced())
            .finish()
    }
}

impl Error for Cancelled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason().errors().next().map(|error| error as &(dyn Error + 'static))
    }
}

/// An error with that reason.
impl From<Reason> for Cancelled {
    fn from(reason: Reason) -> Self {
        Cancelled::new(reason)
    }
}

/// The reason that was carried: to pass a cancellation on as it is.
impl From<Cancelled> for Reason {
    fn from(cancelled: Cancelled) -> Self {
        cancelled.into_reason()
    }
}

/// [`TimedOut`](io::ErrorKind::TimedOut) where only time limits are at the root of it, otherwise
/// [`Interrupted`](io::ErrorKind::Interrupted). The `Cancelled` is inside: see
/// [`io::Error::get_ref`].
///
/// Loops of the standard library such as [`io::copy`] try again after `Interrupted`. Do not return
/// this error from an implementation of [`io::Read`] or [`io::Write`].
///
/// ```
/// use cancelable::{Cancelled, Reason};
/// use std::{io, time::Duration};
///
/// let error = io::Error::from(Cancelled::new(Reason::timeout(Duration::from_secs(1))));
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// assert!(error.get_ref().is_some_and(|inner| inner.is::<Cancelled>()));
/// ```
impl From<Cancelled> for io::Error {
    fn from(cancelled: Cancelled) -> Self {
        let leaves = cancelled.reason().root().leaves();
        let timed_out = |leaf: &Reason| leaf.root().kind() == ReasonKind::Timeout;
        let kind = if !leaves.is_empty() && leaves.iter().all(timed_out) {
            io::ErrorKind::TimedOut
        } else {
            io::ErrorKind::Interrupted
        };
        io::Error::new(kind, cancelled)
    }
}
