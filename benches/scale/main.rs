//! How the cost of this crate and its peers grows: many waiters, many children, many limits, many
//! items, many operations.
//!
//! `cargo bench --bench scale` measures, judges and prints. After `--`: `--strict` fails where a row is
//! missed; `--quick` only shows that everything runs. What is measured is told in `docs/performance.md`.

mod children;
mod limits;
mod measure;
mod memory;
mod registry;
mod streams;
mod table;
mod threads;
mod waiting;

use std::process::ExitCode;

use crate::table::Table;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // A process of its own, started for the row about memory.
    if let [memory::HOLD, who, size] = *arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        return memory::hold(who, size);
    }
    let given = |word| arguments.iter().any(|argument| argument == word);
    let mut table = Table::new(given("--quick"));
    waiting::rows(&mut table);
    children::rows(&mut table);
    limits::rows(&mut table);
    memory::rows(&mut table);
    threads::rows(&mut table);
    streams::rows(&mut table);
    registry::rows(&mut table);
    let met = table.summary();
    if met || !given("--strict") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
