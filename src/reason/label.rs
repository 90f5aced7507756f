//! `TimeoutLabel`: the name of a time limit that has passed, and why the limit was set.

use std::fmt;
#[cfg(feature = "time")]
use std::sync::{Arc, OnceLock};

use super::Reason;
use crate::text::Text;

/// The name of a time limit that has passed, and why it was set. Held by [`Reason::Timeout`].
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let limit = timeout(Duration::ZERO).named("index").because("the index is too large");
/// let reason = limit.await;
/// assert_eq!(reason.to_string(), "timed out after 0ns (index): the index is too large");
/// if let Reason::Timeout { label: Some(label), .. } = reason {
///     assert_eq!(label.name(), Some("index"));
///     assert_eq!(label.cause(), Some(&Reason::manual("the index is too large")));
/// }
/// # });
/// ```
///
/// Two labels are equal if their names and their causes are equal.
#[derive(Clone, Debug, Default)]
pub struct TimeoutLabel {
    pub(super) name: Option<Text>,
    pub(super) cause: Option<Reason>,
    /// Whether the limit was a deadline, which is an instant, and not a length of time. This only changes the text that is
    /// printed.
    pub(super) is_deadline: bool,
}

impl PartialEq for TimeoutLabel {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.cause) == (&other.name, &other.cause)
    }
}

impl Eq for TimeoutLabel {}

/// Returns whether two labels are equal. A label with neither a name nor a cause is equal to a missing label.
pub(super) fn are_equal(a: Option<&TimeoutLabel>, b: Option<&TimeoutLabel>) -> bool {
    let says_something = |label: &&TimeoutLabel| label.name.is_some() || label.cause.is_some();
    a.filter(says_something) == b.filter(says_something)
}

impl TimeoutLabel {
    /// Returns the name of the limit, if it has one.
    ///
    /// ```
    /// use cancelable::Reason;
    /// use std::time::Duration;
    /// let reason = Reason::timeout_named("index", Duration::ZERO);
    /// if let Reason::Timeout { label: Some(label), .. } = &reason {
    ///     assert_eq!(label.name(), Some("index"));
    /// }
    /// # assert!(reason.name().is_some());
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns why the limit was set: the argument of [`because`](crate::source::Timeout::because), if it was called.
    ///
    /// ```
    /// use cancelable::Reason;
    /// use std::time::Duration;
    /// let reason = Reason::timeout_named("index", Duration::ZERO);
    /// if let Reason::Timeout { label: Some(label), .. } = &reason {
    ///     assert_eq!(label.cause(), None);
    /// }
    /// # assert!(reason.name().is_some());
    /// ```
    pub fn cause(&self) -> Option<&Reason> {
        self.cause.as_ref()
    }
}

/// The methods that limits with a label use.
#[cfg(feature = "time")]
impl TimeoutLabel {
    /// Returns the label that all deadlines without a name share.
    pub(crate) fn of_deadline() -> &'static Arc<TimeoutLabel> {
        static LABEL: OnceLock<Arc<TimeoutLabel>> = OnceLock::new();
        LABEL
            .get_or_init(|| Arc::new(TimeoutLabel { is_deadline: true, ..TimeoutLabel::default() }))
    }

    /// Sets the name. An empty name means no name.
    pub(crate) fn set_name(&mut self, name: Text) {
        self.name = Some(name).filter(|name| !name.is_empty());
    }

    pub(crate) fn set_cause(&mut self, cause: Reason) {
        self.cause = Some(cause);
    }
}

#[cfg(feature = "time")]
impl Reason {
    /// Adds a label to the reason of a time limit.
    pub(crate) fn labelled(mut self, with: &Arc<TimeoutLabel>) -> Self {
        if let Reason::Timeout { label, .. } = &mut self {
            *label = Some(with.clone());
        }
        self
    }
}

/// Prints the part of the reason's text that follows the length of the limit.
impl fmt::Display for TimeoutLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        match &self.cause {
            None | Some(Reason::Manual { message: None }) => Ok(()),
            // The texts of these two reasons start with "cancelled". Here they say why the limit was set, and only the limit
            // has cancelled anything. So that word is left out.
            Some(Reason::Manual { message: Some(message) }) => write!(f, ": {message}"),
            Some(Reason::Error { error }) => write!(f, ": {error}"),
            Some(cause) => write!(f, ": {cause}"),
        }
    }
}
