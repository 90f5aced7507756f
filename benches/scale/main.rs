//! Measures how the cost of this crate and its peers grows with the number of waiters, children, limits, items and operations.
//!
//! `cargo bench --bench scale` measures all rows and judges them. After `--`: `--strict` exits with 1 if a row misses its
//! goal; `--quick` only checks that everything runs; names of groups of rows, such as `limits` or `lateness`, run only these
//! groups; a number of limits or a load, such as `2000` or `Sockets`, runs only that part of `lateness`. See
//! `docs/performance.md` for details.

mod children;
mod group;
mod lateness;
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

/// Measures the rows of a group and adds them to the table.
type Rows = fn(&mut Table);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // With this argument, this process is a child process of the memory rows.
    if let [memory::HOLD, who, size] = *arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        return memory::hold(who, size);
    }
    let given = |word| arguments.iter().any(|argument| argument == word);
    let mut table = Table::new(given("--quick"));
    let groups: [(&str, Rows); 10] = [
        ("waiting", waiting::rows),
        ("children", children::rows),
        ("limits", limits::outstanding),
        ("ending", limits::ending),
        ("lateness", lateness::rows),
        ("memory", memory::rows),
        ("threads", threads::rows),
        ("streams", streams::rows),
        ("registry", registry::rows),
        ("group", group::rows),
    ];
    let all = !groups.iter().any(|(name, _)| given(name));
    for (name, rows) in groups {
        if all || given(name) {
            rows(&mut table);
        }
    }
    let met = table.summary();
    if met || !given("--strict") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
