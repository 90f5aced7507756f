//! Operations: status, cause, hooks, clean-up, children, and what their handles return.

#[path = "../support/mod.rs"]
mod support;

mod asked_late;
mod cause;
mod children;
#[cfg(all(feature = "time", feature = "testing"))]
mod chosen_grace;
mod current;
#[cfg(feature = "time")]
mod deadline;
mod ended;
mod ending;
#[cfg(feature = "time")]
mod every_await;
mod executors;
mod finally;
#[cfg(feature = "time")]
mod force;
#[cfg(feature = "time")]
mod grace;
mod hierarchy;
mod hooks;
mod identity;
mod in_scope;
mod joins;
mod other_wakers;
#[cfg(feature = "time")]
mod owned;
mod progress;
#[cfg(feature = "blocking")]
mod run_blocking;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "time")]
mod stalled;
mod status;
mod strict;
mod texts;
// Windows runs the destructors of thread-locals under a lock, where sending through a channel can deadlock.
#[cfg(unix)]
mod thread_ends;
mod unshared;
mod wrap;
