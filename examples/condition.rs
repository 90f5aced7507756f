//! Cancels work that uses too much memory: a condition checks the memory of the process every few milliseconds.
//!
//! Prints:
//!
//! ```text
//! loading
//! stopped by the condition `memory`
//! ```

use std::time::Duration;

use cancelable::prelude::*;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

const MEBIBYTE: u64 = 1 << 20;

/// Returns the memory used by this process, in bytes.
fn used(system: &mut System, process: Pid) -> u64 {
    let what = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), false, what);
    system.process(process).map_or(0, |process| process.memory())
}

/// Allocates more and more memory. A cancellation drops the future, and so frees the memory.
async fn load() -> usize {
    let mut blocks = Vec::new();
    while blocks.len() < 1000 {
        blocks.push(vec![1_u8; MEBIBYTE as usize]);
        smol::Timer::after(Duration::from_millis(1)).await;
    }
    blocks.len()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let process = sysinfo::get_current_pid()?;
    let mut system = System::new();
    let limit = used(&mut system, process) + 50 * MEBIBYTE;

    // The check runs within the task, between two polls of the work. For a slow check, use `condition_blocking`.
    let memory = condition(move || used(&mut system, process) > limit)
        .every(Duration::from_millis(5))
        .named("memory");

    println!("loading");
    match smol::block_on(load().cancelable(memory)) {
        Ok(blocks) => println!("loaded {blocks} MiB"),
        Err(cancelled) => match cancelled.reason() {
            Reason::Condition { name, .. } => println!("stopped by the condition `{name}`"),
            reason => println!("stopped: {reason}"),
        },
    }
    Ok(())
}
