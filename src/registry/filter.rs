//! `Filter`: selects operations.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::operation::{Operation, OperationId, Snapshot, Status};
use crate::text::Text;

type Predicate = Arc<dyn Fn(&Snapshot) -> bool + Send + Sync>;

/// Selects operations by status, name, parent, age, metadata, or your own predicate.
///
/// An operation must meet all conditions of the filter. For example, if two parts of a name are given, the name must contain
/// both. Statuses are the exception: if several are given, the operation must have one of them.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// let registry = Registry::new();
/// let fetch = async {}.cancelable(never()).named("Fetch /a").registered_in(&registry);
/// let parse = async {}.cancelable(never()).named("parse").registered_in(&registry);
///
/// let found = registry.find(Filter::all().name("fetch").status(Status::Pending));
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].id, fetch.operation().id());
/// # drop(parse);
/// ```
#[derive(Clone, Default)]
#[must_use = "a filter does nothing by itself"]
pub struct Filter {
    statuses: Vec<Status>,
    /// Parts of the name, in lower case.
    names: Vec<String>,
    parents: Vec<OperationId>,
    older_than: Option<Duration>,
    metadata: Vec<(Text, Text)>,
    predicates: Vec<Predicate>,
}

impl Filter {
    /// Creates a filter that matches every operation.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// assert!(Registry::new().find(Filter::all()).is_empty());
    /// ```
    pub fn all() -> Self {
        Filter::default()
    }

    /// Matches operations with this status. After several calls, it matches operations with any of the given
    /// statuses.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let active = Filter::all().status(Status::Running).status(Status::Cancelling);
    /// let pending = async {}.cancelable(never()).operation().snapshot();
    /// assert!(!active.fits(&pending));
    /// ```
    pub fn status(mut self, status: Status) -> Self {
        self.statuses.push(status);
        self
    }

    /// Matches operations whose name contains `part`, ignoring case. An operation without a name never matches, even
    /// if `part` is empty.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let fetch = async {}.cancelable(never()).named("Fetch /a").operation().snapshot();
    /// assert!(Filter::all().name("fetch").fits(&fetch));
    /// ```
    pub fn name(mut self, part: impl AsRef<str>) -> Self {
        self.names.push(part.as_ref().to_lowercase());
        self
    }

    /// Matches operations directly below the operation with this id.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let parent_run = async {}.cancelable(never());
    /// let parent = parent_run.operation();
    /// let child_run = async {}.cancelable(never()).child_of(&parent);
    /// let child = child_run.operation();
    /// assert!(Filter::all().parent(parent.id()).fits(&child.snapshot()));
    /// ```
    pub fn parent(mut self, id: OperationId) -> Self {
        self.parents.push(id);
        self
    }

    /// Matches operations that have been running for longer than `age`, and ended operations that took longer than `age`.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    /// let new = async {}.cancelable(never()).operation().snapshot();
    /// assert!(!Filter::all().older_than(Duration::from_secs(60)).fits(&new));
    /// ```
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = self.older_than.max(Some(age));
        self
    }

    /// Matches operations that have this metadata entry. Call this again to require further entries.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let of_ann = async {}.cancelable(never()).metadata("user", "ann").operation().snapshot();
    /// assert!(Filter::all().metadata("user", "ann").fits(&of_ann));
    /// ```
    pub fn metadata(mut self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Matches operations for which the predicate returns true. The predicate is called with no lock held.
    ///
    /// # Panics
    ///
    /// A panic of the predicate propagates to the caller that uses the filter.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let behind = Filter::all().matching(|operation| {
    ///     operation.progress.as_ref().and_then(|progress| progress.fraction()) < Some(0.5)
    /// });
    /// let silent = async {}.cancelable(never()).operation().snapshot();
    /// assert!(behind.fits(&silent));
    /// ```
    pub fn matching(
        mut self,
        predicate: impl Fn(&Snapshot) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicates.push(Arc::new(predicate));
        self
    }

    /// Returns whether an operation with this snapshot matches.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never()).named("fetch");
    /// let operation = future.operation();
    /// assert!(Filter::all().name("FETCH").fits(&operation.snapshot()));
    /// ```
    pub fn fits(&self, snapshot: &Snapshot) -> bool {
        let is_named = || {
            let name = snapshot.name.as_ref().map(|name| name.to_lowercase());
            name.is_some_and(|name| self.names.iter().all(|part| name.contains(part.as_str())))
        };
        let has = |(key, value): &(Text, Text)| snapshot.metadata.get(key.as_str()) == Some(value);
        (self.statuses.is_empty() || self.statuses.contains(&snapshot.status))
            && self.parents.iter().all(|parent| snapshot.parent_id == Some(*parent))
            && self.older_than.is_none_or(|age| snapshot.elapsed > age)
            && (self.names.is_empty() || is_named())
            && self.metadata.iter().all(has)
            && self.predicates.iter().all(|predicate| predicate(snapshot))
    }

    /// Returns whether the operation matches. Takes a snapshot only if the filter has a condition.
    pub(super) fn fits_operation(&self, operation: &Operation) -> bool {
        let is_all = self.statuses.is_empty()
            && self.names.is_empty()
            && self.parents.is_empty()
            && self.older_than.is_none()
            && self.metadata.is_empty()
            && self.predicates.is_empty();
        is_all || self.fits(&operation.snapshot())
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("statuses", &self.statuses)
            .field("names", &self.names)
            .field("parents", &self.parents)
            .field("older_than", &self.older_than)
            .field("metadata", &self.metadata)
            .field("predicates", &self.predicates.len())
            .finish()
    }
}
