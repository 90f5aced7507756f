//! The names that most programs need: `use cancelable::prelude::*;`.

#[cfg(feature = "macros")]
pub use crate::cancelable;
pub use crate::future::{Cancelable, CancelableExt, scope, try_scope};
pub use crate::group::TaskGroup;
#[cfg(feature = "io")]
pub use crate::io::{CancelableReadExt, CancelableSinkExt, CancelableWriteExt};
pub use crate::operation::{Operation, Progress, Status};
pub use crate::registry::{Filter, Registry};
pub use crate::shield::shield;
#[cfg(feature = "time")]
pub use crate::shield::shield_for;
#[cfg(feature = "blocking")]
pub use crate::source::condition_blocking;
pub use crate::source::{BoxSource, CancellationToken, Source, all_of, any_of, never};
#[cfg(feature = "time")]
pub use crate::source::{condition, condition_async, deadline, timeout};
#[cfg(feature = "signal")]
pub use crate::source::{ctrl_c, signal, signals, termination};
pub use crate::stream::{CancelableStream, CancelableStreamExt, Partial};
pub use crate::{Cancelled, Reason, ReasonKind, Signal};
