//! Several processes and one store, in one thread, on a virtual clock.

mod world;

mod cost;
mod input;
mod model;
mod promises;
mod requesters;
