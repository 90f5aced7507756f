//! `Filter`: which operations.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::operation::{OperationId, Snapshot};
use crate::{Operation, Status, Text};

type Predicate = Arc<dyn Fn(&Snapshot) -> bool + Send + Sync>;

/// Which operations: by status, name, parent, age, metadata, or a predicate of yours.
///
/// What is asked for goes together: an operation must fit all of it, also where the same is asked
/// for twice, two parts of a name for instance. Several statuses are the exception: one of them is
/// enough.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::registry::Filter;
/// use cancelable::Registry;
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
    /// In lower case.
    names: Vec<String>,
    parents: Vec<OperationId>,
    older_than: Option<Duration>,
    metadata: Vec<(Text, Text)>,
    predicates: Vec<Predicate>,
}

impl Filter {
    /// Every operation.
    ///
    /// ```
    /// use cancelable::registry::Filter;
    /// use cancelable::Registry;
    /// assert!(Registry::new().find(Filter::all()).is_empty());
    /// ```
    pub fn all() -> Self {
        Filter::default()
    }

    /// Those with this status, or another that is given.
    ///
    /// ```
    /// use cancelable::registry::Filter;
    /// use cancelable::Status;
    /// let asked_or_not = Filter::all().status(Status::Running).status(Status::Cancelling);
    /// # let _ = asked_or_not;
    /// ```
    pub fn status(mut self, status: Status) -> Self {
        self.statuses.push(status);
        self
    }

    /// Those whose name contains this, in upper or lower case. One without a name contains nothing,
    /// not even the empty text.
    ///
    /// ```
    /// let fetches = cancelable::registry::Filter::all().name("fetch");
    /// # let _ = fetches;
    /// ```
    pub fn name(mut self, part: impl AsRef<str>) -> Self {
        self.names.push(part.as_ref().to_lowercase());
        self
    }

    /// Those directly below this one.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Filter;
    /// let parent = async {}.cancelable(never()).operation();
    /// let below = Filter::all().parent(parent.id());
    /// # let _ = below;
    /// ```
    pub fn parent(mut self, id: OperationId) -> Self {
        self.parents.push(id);
        self
    }

    /// Those that have been running, or ran, for longer than that.
    ///
    /// ```
    /// use cancelable::registry::Filter;
    /// use std::time::Duration;
    /// let old = Filter::all().older_than(Duration::from_secs(60));
    /// # let _ = old;
    /// ```
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = self.older_than.max(Some(age));
        self
    }

    /// Those to which this was attached. It may be asked for several keys.
    ///
    /// ```
    /// let of_ann = cancelable::registry::Filter::all().metadata("user", "ann");
    /// # let _ = of_ann;
    /// ```
    pub fn metadata(mut self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Those for which the predicate is true. It is called with no lock held.
    ///
    /// # Panics
    ///
    /// A panic of the predicate goes through to who uses the filter.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::registry::Filter;
    /// let behind = Filter::all().matching(|operation| {
    ///     operation.progress.as_ref().and_then(|progress| progress.fraction()) < Some(0.5)
    /// });
    /// # let _ = behind;
    /// ```
    pub fn matching(
        mut self,
        predicate: impl Fn(&Snapshot) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicates.push(Arc::new(predicate));
        self
    }

    /// Whether an operation of which this is known fits.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Filter;
    /// let operation = async {}.cancelable(never()).named("fetch").operation();
    /// assert!(Filter::all().name("FETCH").fits(&operation.snapshot()));
    /// ```
    pub fn fits(&self, snapshot: &Snapshot) -> bool {
        let named = |parts: &[String]| {
            let name = snapshot.name.as_ref().map(|name| name.to_lowercase());
            name.is_some_and(|name| parts.iter().all(|part| name.contains(part.as_str())))
        };
        (self.statuses.is_empty() || self.statuses.contains(&snapshot.status))
            && self.parents.iter().all(|parent| snapshot.parent_id == Some(*parent))
            && self.older_than.is_none_or(|age| snapshot.elapsed > age)
            && (self.names.is_empty() || named(&self.names))
            && self
                .metadata
                .iter()
                .all(|(key, value)| snapshot.metadata.get(key.as_str()) == Some(value))
            && self.predicates.iter().all(|predicate| predicate(snapshot))
    }

    /// The same for one of which a snapshot is made only where it is needed.
    pub(super) fn fits_operation(&self, operation: &Operation) -> bool {
        self.asks_nothing() || self.fits(&operation.snapshot())
    }

    fn asks_nothing(&self) -> bool {
        self.statuses.is_empty()
            && self.names.is_empty()
            && self.parents.is_empty()
            && self.older_than.is_none()
            && self.metadata.is_empty()
            && self.predicates.is_empty()
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
