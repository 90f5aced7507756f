//! `TaskError`: how a member of a group ended without a value. `TaskFailed`: why the other members were cancelled.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Display};

use crate::error::Cancelled;
use crate::panic::contain;
use crate::text::Text;

/// How a member of a [`TaskGroup`](crate::TaskGroup) ended without a value. `E` is the error of members that can fail.
///
/// ```
/// use cancelable::TaskGroup;
/// use cancelable::group::TaskError;
/// use std::io;
///
/// # smol::block_on(async {
/// let group = TaskGroup::fallible(|task| smol::spawn(task).detach());
/// group.try_spawn(async { Err::<(), _>(io::Error::other("no disk")) });
/// let error = group.try_join().await.unwrap_err();
/// assert!(matches!(&error, TaskError::Failed(error) if error.to_string() == "no disk"));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TaskError<E = Infallible> {
    /// The member was cancelled: with its group, by a source of its own, or because its task was dropped.
    Cancelled(Cancelled),
    /// The member panicked, with this message.
    Panicked(Text),
    /// The member returned this error.
    Failed(E),
}

impl<E> TaskError<E> {
    /// Returns whether the member was cancelled.
    ///
    /// ```
    /// use cancelable::{Cancelled, group::TaskError};
    /// assert!(TaskError::<()>::from(Cancelled::new("stop")).is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self, TaskError::Cancelled(_))
    }
}

impl<E> From<Cancelled> for TaskError<E> {
    fn from(cancelled: Cancelled) -> Self {
        TaskError::Cancelled(cancelled)
    }
}

impl<E: Display> Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Cancelled(cancelled) => cancelled.fmt(f),
            TaskError::Panicked(message) => write!(f, "panicked: {message}"),
            TaskError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TaskError::Cancelled(cancelled) => cancelled.source(),
            TaskError::Panicked(_) => None,
            TaskError::Failed(error) => error.source(),
        }
    }
}

/// Why a group was cancelled: a member, or the body of the scope, has failed.
///
/// The reason of the group is a [`Reason::Error`](crate::Reason::Error) that contains this error.
///
/// ```
/// use cancelable::TaskGroup;
/// use cancelable::group::TaskFailed;
///
/// # smol::block_on(async {
/// let group = TaskGroup::<()>::new(|task| smol::spawn(task).detach());
/// let operation = group.operation();
/// group.spawn(async { panic!("out of cheese") });
/// group.join().await?;
/// let reason = operation.reason().unwrap();
/// assert_eq!(reason.downcast_ref::<TaskFailed>().unwrap().message(), "panicked: out of cheese");
/// # Ok::<(), cancelable::Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFailed {
    message: Text,
}

impl TaskFailed {
    pub(super) fn new(message: Text) -> Self {
        TaskFailed { message }
    }

    pub(super) fn panicked(message: &str) -> Self {
        TaskFailed::new(format!("panicked: {message}").into())
    }

    /// Creates a `TaskFailed` with the text of an error. The `Display` of the error is user code and may panic.
    pub(super) fn because_of(error: &dyn Display) -> Self {
        let text = contain(|| error.to_string());
        TaskFailed::new(text.unwrap_or_else(|message| format!("panicked: {message}")).into())
    }

    /// Returns the text of the error or of the panic.
    ///
    /// See [`TaskFailed`] for an example.
    pub fn message(&self) -> &Text {
        &self.message
    }
}

impl Display for TaskFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a task of the group failed: {}", self.message)
    }
}

impl Error for TaskFailed {}
