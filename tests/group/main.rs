//! Groups of tasks: results, failures, bounds, daemons, and how a group ends.

#[path = "../support/mod.rs"]
mod support;

mod bound;
mod children;
#[cfg(all(feature = "time", feature = "testing"))]
mod deadline;
mod ending;
mod executors;
mod failures;
#[cfg(feature = "time")]
mod grace;
mod hostile;
mod in_place;
#[cfg(feature = "testing")]
mod in_place_awaits;
mod members;
mod model;
mod orders;
mod own_group;
#[cfg(feature = "time")]
mod registered;
mod results;
mod scope;
mod trees;

use support::by_hand;
