//! The context of a poll: the races around the poll that wait for shields, and the operation that asks for time limits.
//!
//! A race (a `Cancelable` that polls its work and its source) cannot pass arguments to a shield deep inside the work, so the
//! context is kept in thread-locals. A guard changes the thread-locals for one poll and restores them afterwards, even if
//! the poll panics. The list of shields is the exception: an entry stays in the list until the section in the shield ends.
//!
//! * [`shields`]: the shields that a race has to wait for.
//! * [`tracer`]: the waker with which a race polls its work while it waits for shields.
//! * [`drop_check`]: whether a future is part of the work that is about to be dropped.
//! * [`limits`]: how an operation learns its deadline.

mod drop_check;
mod limits;
mod shields;
mod tracer;

pub(crate) use drop_check::{DropCheck, Enclosure};
pub(crate) use limits::{ask_for_limit, ignore_limits, offer_limit, operation_start};
pub(crate) use shields::{
    InShield, Protection, Section, register_clean_up, register_shield, registered_since,
    registrations,
};
pub(crate) use tracer::{Traced, Tracer, is_polled_by_task, is_traced_by};
