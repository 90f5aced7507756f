//! `TaskGroup`: a group that owns its tasks, on any executor. The tasks are called the *members* of the group.
//!
//! * [`TaskGroup`] owns the group, sets it up, and waits for it. [`GroupHandle`] adds members.
//! * [`JoinHandle`] is a future of one member's result. [`Next`] is a future of the next result of any member.
//! * [`TaskError`] says how a member ended without a value.

// Internally, `shared` and `state` count members, `results` keeps their results, `launcher` starts them, and `member` is the task
// of a member. `work` and `ending` are the work and the clean-up of the group's operation. `current` and `host` are for
// members that await their own group.

mod current;
mod ending;
mod error;
mod handle;
mod host;
mod in_place;
mod join;
mod join_handle;
mod launcher;
#[cfg(all(test, cancelable_loom))]
mod loom_tests;
mod member;
mod next;
mod outcome;
mod results;
mod shared;
mod source;
mod state;
mod task_group;
mod work;

pub use ending::JoinMembers;
pub use error::{TaskError, TaskFailed};
pub use handle::GroupHandle;
pub use join::{Join, Scope, TryJoin, TryScope};
pub use join_handle::JoinHandle;
pub use next::Next;
pub use task_group::TaskGroup;
pub use work::GroupWork;
