//! Operations: where they stand, why they were cancelled, and what their handles tell.

mod support;

#[path = "operation/asked_late.rs"]
mod asked_late;
#[path = "operation/cause.rs"]
mod cause;
#[path = "operation/current.rs"]
mod current;
#[path = "operation/ending.rs"]
mod ending;
#[path = "operation/helpers.rs"]
mod helpers;
#[path = "operation/identity.rs"]
mod identity;
#[path = "operation/status.rs"]
mod status;
#[path = "operation/thread_ends.rs"]
mod thread_ends;
