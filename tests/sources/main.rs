//! Each source by itself: when it fires, for what reason, and its cost until then.

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "time")]
mod all_of;
#[cfg(feature = "time")]
mod any_of;
mod because;
#[cfg(feature = "time")]
mod condition;
#[cfg(feature = "time")]
mod deadline;
#[cfg(feature = "time")]
mod labels;
#[cfg(feature = "time")]
mod limit;
#[cfg(feature = "time")]
mod lists;
mod never;
mod reason;
#[cfg(feature = "time")]
mod timeout;
