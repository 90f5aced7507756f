//! `Scope` and `Key`: names of bounded length.

use std::fmt;

use cancelable::Text;

use crate::invalid::{Invalid, Problem, check_text};

/// The longest name, in bytes.
pub(crate) const LONGEST_NAME: usize = 200;

/// Checks a name that may be empty.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Invalid> {
    check_text(what, name, LONGEST_NAME, false)
}

macro_rules! names {
    ($($(#[$doc:meta])* $Name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(Text);

        impl $Name {
            /// Checks the text and creates a name from it.
            ///
            /// # Errors
            ///
            /// If the text is empty, longer than 200 bytes, or contains a control character.
            pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
                let text = text.into();
                if text.is_empty() {
                    return Err(Invalid::new($what, Problem::Empty));
                }
                check_name($what, &text)?;
                Ok($Name(text))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&'static str> for $Name {
            type Error = Invalid;

            fn try_from(text: &'static str) -> Result<Self, Invalid> {
                $Name::new(text)
            }
        }

        impl TryFrom<String> for $Name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                $Name::new(text)
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The part of a store that a bus works in. Buses with different scopes never touch each other's runs.
    ///
    /// Use one for each service that shares a store, or for each shard.
    ///
    /// ```
    /// use cancelable_bus::Scope;
    /// assert_eq!(Scope::new("reports")?.as_str(), "reports");
    /// # Ok::<(), cancelable_bus::Invalid>(())
    /// ```
    Scope, "scope";

    /// Says what a run works on: a job, a customer, a document. Several runs may have the same key, at the same
    /// time or one after the other.
    ///
    /// ```
    /// use cancelable_bus::Key;
    /// assert_eq!(Key::new("customer 7")?.to_string(), "customer 7");
    /// assert!(Key::new("").is_err());
    /// # Ok::<(), cancelable_bus::Invalid>(())
    /// ```
    Key, "key";
}
