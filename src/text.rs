//! `Text`: a string that is cheap to clone; and `Brief`, which prints durations for people.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// A name or a message: a string literal, or a string that its clones share.
///
/// Methods that take a text accept `impl Into<Text>`: a literal, a `String`, or a `&String`. A literal is not copied; a
/// `&String` is. Other values of type `&str` may not live long enough, so convert them with `to_owned()`.
///
/// Cloning never allocates. A `Text` dereferences to `str`, and compares, orders and hashes like one.
///
/// # Examples
///
/// ```
/// use cancelable::Text;
///
/// let literal = Text::from("disk full");
/// let built = Text::from(format!("disk {}", "full"));
/// assert_eq!(literal, built);
/// assert_eq!(literal.len(), 9);
/// ```
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Literal(&'static str),
    Shared(Arc<str>),
}

impl Text {
    /// Returns the text.
    ///
    /// ```
    /// assert_eq!(cancelable::Text::from("x").as_str(), "x");
    /// ```
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Literal(text) => text,
            Repr::Shared(text) => text,
        }
    }

    /// Returns the text if it is a literal.
    #[cfg(feature = "metrics")]
    pub(crate) fn literal(&self) -> Option<&'static str> {
        match self.0 {
            Repr::Literal(text) => Some(text),
            Repr::Shared(_) => None,
        }
    }
}

/// The empty text.
impl Default for Text {
    fn default() -> Self {
        Text::from("")
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// Allows looking up a `Text` in a map by a `&str`.
impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Text(Repr::Literal(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(Repr::Shared(text.into()))
    }
}

/// Copies the string.
impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Text(Repr::Shared(text.as_str().into()))
    }
}

impl From<Box<str>> for Text {
    fn from(text: Box<str>) -> Self {
        Text(Repr::Shared(text.into()))
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Text(Repr::Shared(text))
    }
}

impl From<Cow<'static, str>> for Text {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Prints a duration for people, such as `250ms`, `3.5s`, `2m 05s` or `1h 30m`.
pub(crate) struct Brief(pub(crate) Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{}ms", self.0.as_millis()),
            seconds @ 1..60 => write!(f, "{seconds}.{}s", self.0.subsec_millis() / 100),
            seconds @ 60..3600 => write!(f, "{}m {:02}s", seconds / 60, seconds % 60),
            seconds => write!(f, "{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        }
    }
}
