//! The larger examples, with real files, connections and signals.

mod program;

mod crawler;
mod monitor;
mod pipeline;
