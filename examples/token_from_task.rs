//! One task cancels another through a token.
//!
//! Prints:
//!
//! ```text
//! job 1 is done
//! job 2 is done
//! this call cancelled: true
//! and this one: false
//! the worker did 2 jobs, then: cancelled: the shop closes
//! ```

use cancelable::prelude::*;
use smol::channel::{Receiver, Sender, bounded};

/// Works until the token is cancelled. Only the wait for the next job is raced against the token, so no job is left half
/// done.
async fn work(
    jobs: Receiver<u32>,
    done: Sender<u32>,
    token: CancellationToken,
) -> (u32, Option<Cancelled>) {
    let mut count = 0;
    loop {
        match jobs.recv().cancelable(&token).await {
            Ok(Ok(job)) => {
                count += 1;
                // Sending fails if `main` no longer waits for results. That does not matter here.
                let _ = done.send(job).await;
            }
            Ok(Err(_closed)) => return (count, None),
            Err(cancelled) => return (count, Some(cancelled)),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    smol::block_on(async {
        let token = CancellationToken::new();
        let (jobs, receiver) = bounded(10);
        let (sender, done) = bounded(10);
        let worker = smol::spawn(work(receiver, sender, token.clone()));

        for job in [1, 2] {
            jobs.send(job).await?;
            println!("job {} is done", done.recv().await?);
        }

        println!("this call cancelled: {}", token.cancel_with("the shop closes"));
        println!("and this one: {}", token.cancel_with("too late to say why"));
        if let (count, Some(cancelled)) = worker.await {
            println!("the worker did {count} jobs, then: {cancelled}");
        }
        Ok(())
    })
}
