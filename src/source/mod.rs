//! Sources: futures of a [`Reason`].
//!
//! A source is any `Future<Output = Reason>`. This module has the sources of this crate. A future of
//! yours with that output is a source too, and [`because`](crate::CancelableExt::because) turns any
//! other future into one.
//!
//! [`any_of`](any_of()) (the first to fire wins) and [`all_of`](all_of()) (all must fire) combine
//! sources into a new one. They are also written `a | b` and `a & b`.
//!
//! # Cancel safety
//!
//! Dropping a source removes everything it had registered. A dropped timeout or condition forgets how
//! much time has passed. A token or a deadline forgets nothing: a new source gives the same answer. For a
//! signal, create the new source before you drop the old one.

mod because;
mod compose;
#[cfg(feature = "time")]
mod condition;
#[cfg(feature = "time")]
mod labelled;
#[cfg(feature = "time")]
mod limit;
mod never;
#[cfg(feature = "signal")]
mod signal;
#[cfg(feature = "time")]
mod timeout;
mod token;

use std::pin::Pin;

use crate::reason::Reason;

pub use because::Because;
pub use compose::{AllOf, AnyOf, Sources, all_of, any_of};
#[cfg(feature = "time")]
pub use condition::{Async, Check, Condition, Inline, condition, condition_async};
#[cfg(feature = "blocking")]
pub use condition::{Blocking, condition_blocking};
#[cfg(feature = "time")]
pub use labelled::Labelled;
#[cfg(feature = "time")]
pub use limit::{Limit, WaitForLimit};
pub use never::{Never, never};
#[cfg(feature = "signal")]
pub use signal::{SignalSource, ctrl_c, signal, signals, termination};
#[cfg(feature = "time")]
pub(crate) use timeout::timeouts_fired;
#[cfg(feature = "time")]
pub use timeout::{Deadline, Timeout, deadline, timeout};
#[cfg(feature = "testing")]
pub(crate) use token::CancelCounts;
pub use token::{
    CancellationToken, DropGuard, Registration, Unregister, WaitForCancellation,
    WaitForCancellationOwned,
};

/// A boxed source. Use it in a struct, for a list of sources of different types, or for a source chosen at
/// run time.
///
/// Box a token with [`cancelled`](CancellationToken::cancelled) or
/// [`cancelled_owned`](CancellationToken::cancelled_owned).
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::source::BoxSource;
///
/// let token = CancellationToken::new();
/// let mut sources: Vec<BoxSource<'_>> = vec![Box::pin(token.cancelled())];
/// sources.push(Box::pin(never()));
/// token.cancel_with("stop");
/// assert_eq!(smol::block_on(any_of(sources)), Reason::manual("stop"));
/// ```
pub type BoxSource<'a> = Pin<Box<dyn Future<Output = Reason> + Send + 'a>>;
