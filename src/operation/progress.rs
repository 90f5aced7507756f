//! `Progress`: a progress report of an operation.

use std::collections::BTreeMap;
use std::fmt;

use crate::text::Text;

/// A progress report: a message, a fraction or a count of steps, and details.
///
/// # Examples
///
/// ```
/// use cancelable::Progress;
///
/// let progress = Progress::steps(3, 4).with_message("hashing").with("file", "a.txt");
/// assert_eq!(progress.fraction(), Some(0.75));
/// assert_eq!(progress.to_string(), "hashing: 3 of 4 (file: a.txt)");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    message: Option<Text>,
    amount: Option<Amount>,
    details: BTreeMap<Text, Text>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    Fraction(f64),
    Steps { done: u64, total: u64 },
}

impl Progress {
    /// Creates a report of a completed fraction. `fraction` is clamped to `0.0..=1.0`; NaN counts as 0.
    ///
    /// ```
    /// use cancelable::Progress;
    /// assert_eq!(Progress::at(0.4).fraction(), Some(0.4));
    /// assert_eq!(Progress::at(7.0).fraction(), Some(1.0));
    /// assert_eq!(Progress::at(f64::NAN).fraction(), Some(0.0));
    /// ```
    pub fn at(fraction: f64) -> Self {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        Progress { amount: Some(Amount::Fraction(fraction)), ..Progress::default() }
    }

    /// Creates a report of `done` out of `total` steps.
    ///
    /// ```
    /// use cancelable::Progress;
    /// assert_eq!(Progress::steps(1, 4).fraction(), Some(0.25));
    /// assert_eq!(Progress::steps(0, 0).fraction(), Some(1.0));
    /// ```
    pub fn steps(done: u64, total: u64) -> Self {
        Progress { amount: Some(Amount::Steps { done, total }), ..Progress::default() }
    }

    /// Sets the message, replacing any earlier one.
    ///
    /// ```
    /// use cancelable::Progress;
    /// assert_eq!(Progress::at(0.5).with_message("half").message(), Some("half"));
    /// ```
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Text>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Sets a detail, replacing any earlier value for the key.
    ///
    /// ```
    /// use cancelable::Progress;
    /// let progress = Progress::from("hashing").with("file", "a.txt");
    /// assert_eq!(progress.get("file"), Some("a.txt"));
    /// ```
    #[must_use]
    pub fn with(mut self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }

    /// Returns the message, if there is one.
    ///
    /// ```
    /// assert_eq!(cancelable::Progress::from("hashing").message(), Some("hashing"));
    /// ```
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the completed fraction (0.0 to 1.0), if it is known. `0 of 0` steps count as complete.
    ///
    /// ```
    /// assert_eq!(cancelable::Progress::from("hashing").fraction(), None);
    /// ```
    pub fn fraction(&self) -> Option<f64> {
        match self.amount? {
            Amount::Fraction(fraction) => Some(fraction),
            Amount::Steps { total: 0, .. } => Some(1.0),
            Amount::Steps { done, total } => Some((done as f64 / total as f64).min(1.0)),
        }
    }

    /// Returns the completed and the total number of steps, if the report counts steps.
    ///
    /// ```
    /// assert_eq!(cancelable::Progress::steps(3, 4).counted(), Some((3, 4)));
    /// ```
    pub fn counted(&self) -> Option<(u64, u64)> {
        match self.amount? {
            Amount::Fraction(_) => None,
            Amount::Steps { done, total } => Some((done, total)),
        }
    }

    /// Returns the detail for `key`, if there is one.
    ///
    /// ```
    /// assert_eq!(cancelable::Progress::at(0.0).get("file"), None);
    /// ```
    pub fn get(&self, key: &str) -> Option<&str> {
        self.details.get(key).map(Text::as_str)
    }

    /// Returns all details, ordered by key.
    ///
    /// ```
    /// use cancelable::Progress;
    /// let progress = Progress::at(0.5).with("b", "2").with("a", "1");
    /// assert_eq!(progress.details().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    /// ```
    pub fn details(&self) -> impl Iterator<Item = (&str, &str)> {
        self.details.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl From<&'static str> for Progress {
    fn from(message: &'static str) -> Self {
        Progress::default().with_message(message)
    }
}

impl From<String> for Progress {
    fn from(message: String) -> Self {
        Progress::default().with_message(message)
    }
}

impl From<Text> for Progress {
    fn from(message: Text) -> Self {
        Progress::default().with_message(message)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(message) = &self.message {
            f.write_str(message)?;
            if self.amount.is_some() {
                f.write_str(": ")?;
            }
        }
        match self.amount {
            None => {}
            Some(Amount::Fraction(fraction)) => write!(f, "{:.0}%", fraction * 100.0)?,
            Some(Amount::Steps { done, total }) => write!(f, "{done} of {total}")?,
        }
        let mut separator = " (";
        for (key, value) in self.details() {
            write!(f, "{separator}{key}: {value}")?;
            separator = ", ";
        }
        if self.details.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}
