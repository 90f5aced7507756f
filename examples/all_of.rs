//! Waits for all of several sources: shows a picture for at least 100 ms, and until the data has arrived.
//!
//! Prints:
//!
//! ```text
//! the data is there
//! the picture was shown long enough: true
//! all of: timed out after 100ms; cancelled: the data is there
//! 2 reasons, the first of the kind `timeout`
//! ```

use std::time::{Duration, Instant};

use cancelable::prelude::*;

/// Stands in for an animation that runs until it is cancelled.
async fn turn() {
    loop {
        smol::Timer::after(Duration::from_millis(10)).await;
    }
}

fn main() {
    let shortest = Duration::from_millis(100);
    let ready = CancellationToken::new();

    smol::block_on(async {
        let start = Instant::now();
        let loading = smol::spawn({
            let ready = ready.clone();
            async move {
                smol::Timer::after(Duration::from_millis(20)).await;
                println!("the data is there");
                ready.cancel_with("the data is there");
            }
        });

        // The token fires first, and `all_of` remembers that. `timeout(shortest) & &ready` means the same.
        let shown = turn().cancelable(all_of((timeout(shortest), &ready))).await;
        println!("the picture was shown long enough: {}", start.elapsed() >= shortest);

        if let Err(cancelled) = shown {
            println!("{cancelled}");
            let reasons = cancelled.reason().leaves();
            println!("{} reasons, the first of the kind `{}`", reasons.len(), reasons[0].kind());
        }
        loading.await;
    });
}
