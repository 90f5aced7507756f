//! `ParentCause`: the name of a cancelled parent, and its reason.

use std::fmt;
use std::ops::Deref;

use super::Reason;
use crate::text::Text;

/// The name of a cancelled parent, and its reason. Held by [`Reason::Parent`].
///
/// # Examples
///
/// ```
/// use cancelable::Reason;
/// let reason = Reason::parent_named(Some("ingest".into()), Reason::manual("stop"));
/// if let Reason::Parent { reason: cause, .. } = &reason {
///     assert_eq!(cause.name(), Some("ingest"));
///     assert_eq!(cause.reason(), &Reason::manual("stop"));
/// }
/// # assert_eq!(reason.to_string(), "parent `ingest` cancelled: stop");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentCause {
    pub(super) name: Option<Text>,
    pub(super) reason: Reason,
}

impl ParentCause {
    /// Returns the name of the parent, if it has one.
    ///
    /// ```
    /// use cancelable::Reason;
    /// if let Reason::Parent { reason: cause, .. } = Reason::parent(Reason::Dropped) {
    ///     assert_eq!(cause.name(), None);
    /// }
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the reason of the parent.
    ///
    /// ```
    /// use cancelable::Reason;
    /// if let Reason::Parent { reason: cause, .. } = Reason::parent(Reason::Dropped) {
    ///     assert_eq!(cause.reason(), &Reason::Dropped);
    /// }
    /// ```
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

/// Dereferences to the reason of the parent.
impl Deref for ParentCause {
    type Target = Reason;

    fn deref(&self) -> &Reason {
        &self.reason
    }
}

impl fmt::Display for ParentCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parent ")?;
        if let Some(name) = &self.name {
            write!(f, "`{name}` ")?;
        }
        match &self.reason {
            // Its text starts with "cancelled" already.
            manual @ Reason::Manual { .. } => write!(f, "{manual}"),
            reason => write!(f, "cancelled: {reason}"),
        }
    }
}
