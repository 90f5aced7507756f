//! `Cancelled`: the error that carries a reason.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use crate::reason::{Reason, ReasonKind, exit_number};
use crate::text::Text;

/// The error returned when work was cancelled. It carries the [`Reason`].
///
/// `Display` prints the name of the operation that was cancelled, if it has one, and the reason. [`source`](Error::source)
/// returns the error within a [`Reason::Error`]. `Display` prints the text of that error too, so a log shows it even if the
/// logger does not follow the chain of sources.
///
/// A `Cancelled` is two words in size, and clones share their content. Creating one allocates, unless the reason carries no
/// data and the operation has no name. A token that is cancelled without a message gives such a reason.
///
/// Two errors are equal if their reasons are equal, and [`was_forced`](Self::was_forced) is the same for both. The name of
/// the operation is not compared.
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

/// The error takes two words, so that a `Result` with a small value is returned in registers. Nearly all races end with a
/// value, so the error must not make returning that value slower.
#[derive(Clone)]
enum Why {
    /// A reason without data. It is a static, so creating the error does not allocate.
    Plain(&'static Reason),
    Full(Arc<Full>),
}

#[derive(Clone)]
struct Full {
    reason: Reason,
    forced: bool,
    /// The name of the operation that was cancelled.
    operation: Option<Text>,
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
    /// Creates an error with this reason. Use it in code of your own that reports a cancellation.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert_eq!(Cancelled::new("stop").reason(), &Reason::manual("stop"));
    /// ```
    pub fn new(reason: impl Into<Reason>) -> Self {
        Cancelled::of_operation(None, reason.into(), false)
    }

    /// Creates the error of an operation with this name. `forced` is true if the work was dropped because it did not end
    /// within its grace period.
    pub(crate) fn of_operation(operation: Option<Text>, reason: Reason, forced: bool) -> Self {
        Cancelled(match reason {
            Reason::Manual { message: None } if !forced && operation.is_none() => {
                Why::Plain(&MANUAL)
            }
            Reason::Disconnected if !forced && operation.is_none() => Why::Plain(&DISCONNECTED),
            Reason::Dropped if !forced && operation.is_none() => Why::Plain(&DROPPED),
            reason => Why::Full(Arc::new(Full { reason, forced, operation })),
        })
    }

    /// Returns the same error with this answer for [`was_forced`](Self::was_forced).
    pub(crate) fn with_forced(self, forced: bool) -> Self {
        if self.was_forced() == forced {
            return self;
        }
        let operation = match &self.0 {
            Why::Plain(_) => None,
            Why::Full(full) => full.operation.clone(),
        };
        Cancelled::of_operation(operation, self.reason().clone(), forced)
    }

    /// Returns the name of the operation that was cancelled, if it has one.
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// token.cancel_with("stop");
    /// let cancelled = async {}.cancelable(&token).named("fetch").await.unwrap_err();
    /// assert_eq!(cancelled.operation_name(), Some("fetch"));
    /// assert_eq!(cancelled.to_string(), "`fetch` cancelled: stop");
    /// # });
    /// ```
    pub fn operation_name(&self) -> Option<&str> {
        match &self.0 {
            Why::Plain(_) => None,
            Why::Full(full) => full.operation.as_deref(),
        }
    }

    /// Returns whether the work was dropped because it did not end within its grace period. A grace period that
    /// [`force`](crate::Operation::force) cut short counts too.
    ///
    /// ```
    /// assert!(!cancelable::Cancelled::new("stop").was_forced());
    /// ```
    pub fn was_forced(&self) -> bool {
        matches!(&self.0, Why::Full(full) if full.forced)
    }

    /// Returns the reason for the cancellation.
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

    /// Returns the exit code for a process that ends because of this error: 124 for time limits, like the command
    /// `timeout`; 128 + n for signal n, like a shell; and 1 otherwise.
    ///
    /// The code depends on the [root](Reason::root) of the reason. For a [`Reason::All`], the first signal in the list is
    /// used. If the list has no signal, the code is 124 if all its reasons are time limits, and 1 otherwise. To let the
    /// process die of the signal itself, use [`exit_like`](crate::reason::exit_like). For the exit code of a service, see
    /// [`ServiceEnd::exit_code`](crate::registry::ServiceEnd::exit_code).
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason, Signal};
    /// use std::process::ExitCode;
    /// use std::time::Duration;
    ///
    /// let cancelled = Cancelled::new(Reason::timeout(Duration::ZERO));
    /// assert_eq!(cancelled.exit_code(), ExitCode::from(124));
    /// let cancelled = Cancelled::new(Reason::signal(Signal::Int));
    /// assert_eq!(cancelled.exit_code(), ExitCode::from(130));
    /// assert_eq!(Cancelled::new("stop").exit_code(), ExitCode::FAILURE);
    /// ```
    pub fn exit_code(&self) -> ExitCode {
        u8::try_from(exit_number(self.reason())).map_or(ExitCode::FAILURE, ExitCode::from)
    }

    /// Consumes the error and returns its reason.
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

    /// Returns the kind of the reason.
    ///
    /// ```
    /// use cancelable::{Cancelled, ReasonKind};
    /// assert_eq!(Cancelled::new("stop").kind(), ReasonKind::Manual);
    /// ```
    pub fn kind(&self) -> ReasonKind {
        self.reason().kind()
    }

    /// Returns whether the reason is a time limit of the work itself. For a time limit of a parent,
    /// [`is_parent`](Self::is_parent) returns `true` instead.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// use std::time::Duration;
    /// assert!(Cancelled::new(Reason::timeout(Duration::ZERO)).is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.kind() == ReasonKind::Timeout
    }

    /// Returns whether a token or a handle was cancelled.
    ///
    /// ```
    /// assert!(cancelable::Cancelled::new("stop").is_manual());
    /// ```
    pub fn is_manual(&self) -> bool {
        self.kind() == ReasonKind::Manual
    }

    /// Returns whether the reason is a signal of the operating system.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason, Signal};
    /// assert!(Cancelled::new(Reason::signal(Signal::Int)).is_signal());
    /// ```
    pub fn is_signal(&self) -> bool {
        self.kind() == ReasonKind::Signal
    }

    /// Returns whether the reason is a condition that was met.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::condition("disk", 1)).is_condition());
    /// ```
    pub fn is_condition(&self) -> bool {
        self.kind() == ReasonKind::Condition
    }

    /// Returns whether a parent was cancelled. [`Reason::root`] returns the original reason.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::parent(Reason::Dropped)).is_parent());
    /// ```
    pub fn is_parent(&self) -> bool {
        self.kind() == ReasonKind::Parent
    }

    /// Returns whether every source of an [`all_of`](crate::all_of()) fired.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::all([Reason::Dropped])).is_all());
    /// ```
    pub fn is_all(&self) -> bool {
        self.kind() == ReasonKind::All
    }

    /// Returns whether the reason is an error.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::error("disk on fire")).is_error());
    /// ```
    pub fn is_error(&self) -> bool {
        self.kind() == ReasonKind::Error
    }

    /// Returns whether the other side disconnected.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::Disconnected).is_disconnected());
    /// ```
    pub fn is_disconnected(&self) -> bool {
        self.kind() == ReasonKind::Disconnected
    }

    /// Returns whether the future or guard that owned the work was dropped.
    ///
    /// ```
    /// use cancelable::{Cancelled, Reason};
    /// assert!(Cancelled::new(Reason::Dropped).is_dropped());
    /// ```
    pub fn is_dropped(&self) -> bool {
        self.kind() == ReasonKind::Dropped
    }
}

impl Cancelled {
    /// Converts into an error that a reader or a writer can return. The kind of that error must not be `Interrupted`,
    /// because callers retry after `Interrupted`.
    #[cfg(feature = "io")]
    pub(crate) fn into_io_error(self) -> io::Error {
        self.into_error_of_kind(io::ErrorKind::Other)
    }

    /// Converts into an error of the kind `TimedOut` if only time limits caused the cancellation, and of the kind
    /// `other` otherwise.
    fn into_error_of_kind(self, other: io::ErrorKind) -> io::Error {
        let leaves = self.reason().root().leaves();
        let timed_out = |leaf: &Reason| leaf.root().kind() == ReasonKind::Timeout;
        let only_limits = !leaves.is_empty() && leaves.iter().all(timed_out);
        io::Error::new(if only_limits { io::ErrorKind::TimedOut } else { other }, self)
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason();
        let Some(name) = self.operation_name() else { return reason.fmt(f) };
        write!(f, "`{name}` ")?;
        match reason {
            // The texts of these two start with "cancelled" already.
            Reason::Manual { .. } | Reason::Error { .. } => reason.fmt(f),
            reason => write!(f, "cancelled: {reason}"),
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled")
            .field("reason", self.reason())
            .field("forced", &self.was_forced())
            .field("operation", &self.operation_name())
            .finish()
    }
}

impl Error for Cancelled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason().errors().next().map(|error| error as &(dyn Error + 'static))
    }
}

/// Creates an error with this reason.
impl From<Reason> for Cancelled {
    fn from(reason: Reason) -> Self {
        Cancelled::new(reason)
    }
}

/// Takes the reason out, to pass a cancellation on unchanged.
impl From<Cancelled> for Reason {
    fn from(cancelled: Cancelled) -> Self {
        cancelled.into_reason()
    }
}

/// Converts into an error of the kind [`TimedOut`](io::ErrorKind::TimedOut) if only time limits caused the
/// cancellation, and [`Interrupted`](io::ErrorKind::Interrupted) otherwise. [`io::Error::get_ref`] returns
/// the `Cancelled` inside.
///
/// Loops of the standard library, such as [`io::copy`], retry after `Interrupted`. Do not return this error
/// from an implementation of [`io::Read`] or [`io::Write`].
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
        cancelled.into_error_of_kind(io::ErrorKind::Interrupted)
    }
}
