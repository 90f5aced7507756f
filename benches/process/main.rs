//! Measures how long it takes to run a child process that does nothing, with this crate, with `async-process`, and with the
//! standard library.
//!
//! Run it with `cargo bench --bench process --features process`. After `--`: `--quick` runs each contestant a few times. The
//! name of a contestant and a number run that contestant that many times and print nothing, so that instructions can be
//! counted.

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::process::Command;

const PROGRAM: &str = "true";

/// Runs one child.
type Run = fn();

const CONTESTANTS: [(&str, Run); 3] =
    [("cancelable", cancelable), ("async-process", async_process), ("std", std)];

fn cancelable() {
    let limit = timeout(Duration::from_secs(60));
    black_box(async_io::block_on(Command::new(PROGRAM).cancelable(limit)).unwrap());
}

fn async_process() {
    let mut command = async_process::Command::new(PROGRAM);
    black_box(async_io::block_on(command.output()).unwrap());
}

fn std() {
    black_box(std::process::Command::new(PROGRAM).output().unwrap());
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let contestant = |name: &String| CONTESTANTS.iter().find(|(known, _)| known == name);
    if let [name, count] = &arguments[..] {
        let (_, run) = contestant(name).expect("cancelable, async-process or std");
        (0..count.parse::<usize>().expect("a number")).for_each(|_| run());
        return;
    }
    let rounds = if arguments.iter().any(|argument| argument == "--quick") { 2 } else { 500 };
    let mut times = CONTESTANTS.map(|_| Vec::new());
    for _ in 0..rounds {
        for ((_, run), times) in CONTESTANTS.iter().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed());
        }
    }
    for ((name, _), times) in CONTESTANTS.iter().zip(&mut times) {
        times.sort();
        println!("{name:<14} {:>8.0?}", times[times.len() / 2]);
    }
}
