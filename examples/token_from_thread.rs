//! A plain thread cancels work on an executor that is asleep. Without the cancellation, nothing would wake the executor.
//!
//! Prints:
//!
//! ```text
//! waiting
//! cancelled: the window was closed
//! the executor was woken at once: true
//! ```

use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;

fn main() {
    let token = CancellationToken::new();

    // A thread that knows nothing about async code, such as the thread of a user interface.
    let window = thread::spawn({
        let token = token.clone();
        move || {
            thread::sleep(Duration::from_millis(50));
            let closed = Instant::now();
            token.cancel_with("the window was closed");
            closed
        }
    });

    println!("waiting");
    let work = std::future::pending::<()>();
    let outcome = smol::block_on(work.cancelable(&token));
    let woken = Instant::now();

    if let Err(cancelled) = outcome {
        println!("{cancelled}");
    }
    if let Ok(closed) = window.join() {
        let late = woken.saturating_duration_since(closed);
        println!("the executor was woken at once: {}", late < Duration::from_secs(1));
    }
}
