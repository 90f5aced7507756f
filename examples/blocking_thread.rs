//! Uses tokens without an executor: one thread computes and checks its token now and then, and another thread only waits.
//!
//! Prints:
//!
//! ```text
//! not cancelled within 20ms
//! the worker gave up: cancelled: enough
//! the watcher saw: cancelled: enough
//! ```

use std::thread;
use std::time::Duration;

use cancelable::prelude::*;

/// Finds the first number whose square ends in these digits, and checks the token before each try.
fn search(digits: u64, token: &CancellationToken) -> Result<u64, Cancelled> {
    let mut number = 0_u64;
    loop {
        // An atomic load, no lock: cheap enough for an inner loop.
        token.check()?;
        if number.wrapping_mul(number) % 1000 == digits {
            return Ok(number);
        }
        number = number.wrapping_add(1);
    }
}

fn main() {
    let token = CancellationToken::new();

    let worker = thread::spawn({
        let token = token.clone();
        // No square ends in 2, so this would search forever.
        move || search(2, &token)
    });
    let watcher = thread::spawn({
        let token = token.clone();
        move || token.blocking_wait()
    });

    // A blocking wait with a limit. The token is not cancelled yet, so the limit passes.
    let limit = Duration::from_millis(20);
    if token.blocking_wait_timeout(limit).is_none() {
        println!("not cancelled within {limit:?}");
    }

    token.cancel_with("enough");
    match worker.join() {
        Ok(Ok(number)) => println!("the worker found {number}"),
        Ok(Err(cancelled)) => println!("the worker gave up: {cancelled}"),
        Err(_panic) => println!("the worker panicked"),
    }
    if let Ok(reason) = watcher.join() {
        println!("the watcher saw: {reason}");
    }
}
