//! How the cost of this crate and its peers grows: many waiters, many children, many limits, many
//! items, many operations.
//!
//! `cargo bench --bench scale` measures and prints. After `--`: `--quick` only shows that everything
//! runs. What is measured is told in `docs/performance.md`.

mod limits;
mod measure;
mod registry;
mod streams;
mod tokens;

use crate::measure::Table;

fn main() {
    let quick = std::env::args().any(|word| word == "--quick");
    let mut table = Table::new(quick);
    tokens::rows(&mut table);
    limits::rows(&mut table);
    streams::rows(&mut table);
    registry::rows(&mut table);
}
