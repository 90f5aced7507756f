//! The larger examples, with real files, connections and signals.

mod program;

mod build_driver;
mod crawler;
mod monitor;
mod pipeline;
