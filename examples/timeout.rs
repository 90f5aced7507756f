//! Sets a time limit for one future, and one deadline for several steps.
//!
//! Prints:
//!
//! ```text
//! quick answer: 42
//! slow answer: timed out after 50ms
//! step 1 is done
//! step 2 is done
//! step 3 ran out of time
//! ```

use std::time::{Duration, Instant};

use cancelable::prelude::*;

/// Stands in for a call to a server.
async fn ask(delay: Duration) -> u32 {
    smol::Timer::after(delay).await;
    42
}

/// Runs steps that share one deadline. If a step is fast, the next one may use the time that is left.
async fn steps(end: Instant) {
    for (step, delay) in [(1, 1), (2, 1), (3, 60_000)] {
        match ask(Duration::from_millis(delay)).cancelable(deadline(end)).await {
            Ok(_) => println!("step {step} is done"),
            Err(cancelled) if cancelled.is_timeout() => println!("step {step} ran out of time"),
            Err(other) => println!("step {step}: {other}"),
        }
    }
}

fn main() {
    smol::block_on(async {
        match ask(Duration::ZERO).cancelable(timeout(Duration::from_secs(60))).await {
            Ok(answer) => println!("quick answer: {answer}"),
            Err(cancelled) => println!("quick answer: {cancelled}"),
        }
        match ask(Duration::from_secs(60)).cancelable(timeout(Duration::from_millis(50))).await {
            Ok(answer) => println!("slow answer: {answer}"),
            Err(cancelled) => println!("slow answer: {cancelled}"),
        }
        steps(Instant::now() + Duration::from_millis(500)).await;
    });
}
