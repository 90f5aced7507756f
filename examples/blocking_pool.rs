//! Runs blocking code on a thread pool as part of an operation. When the operation is cancelled, the blocking code notices
//! at its next check and returns. Only then does the operation end.
//!
//! Needs the feature `blocking`. Prints:
//!
//! ```text
//! the primes below 100 are 25
//! on the pool it is: count
//! left: `count` cancelled: the user left
//! the thread stopped by itself: `count` cancelled: the user left
//! the pool is clean: true
//! ```

use std::sync::mpsc::channel;

use cancelable::prelude::*;

/// Blocks its thread, and checks for cancellation now and then.
fn count_primes(limit: u64) -> Result<u64, Cancelled> {
    let operation = Operation::current();
    let mut count = 0;
    for number in 2..limit {
        if let Some(operation) = &operation {
            operation.check()?;
        }
        let prime = (2..number).take_while(|d| d * d <= number).all(|d| number % d != 0);
        count += u64::from(prime);
    }
    Ok(count)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    smol::block_on(async {
        let future = try_scope(never(), async |operation: Operation| {
            operation.run_blocking(|| count_primes(100)).await?
        });
        println!("the primes below 100 are {}", future.await?);

        // The user leaves as soon as counting has started.
        let (begun, leave) = smol::channel::bounded(1);
        let (sender, stopped) = channel();
        let future =
            try_scope(leave.recv().because("the user left"), async |operation: Operation| {
                let count = operation.run_blocking(move || {
                    let current = Operation::current();
                    let name = current.as_ref().and_then(Operation::name);
                    println!("on the pool it is: {}", name.unwrap_or("no operation"));
                    let _ = begun.send_blocking(());
                    // Without the cancellation, this would take ages.
                    let outcome = count_primes(u64::MAX);
                    // The result of this closure is dropped, because the operation is cancelled. So send it from here too.
                    let _ = sender.send(outcome.clone());
                    outcome
                });
                count.await?
            });
        if let Err(cancelled) = future.named("count").await {
            println!("left: {cancelled}");
        }
        if let Err(cancelled) = stopped.recv()? {
            println!("the thread stopped by itself: {cancelled}");
        }

        // The next closure on that pool is not part of any operation.
        let clean = smol::unblock(|| Operation::current().is_none()).await;
        println!("the pool is clean: {clean}");
        Ok(())
    })
}
