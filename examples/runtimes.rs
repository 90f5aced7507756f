//! Runs the same async function on three runtimes in one program. None of them needs timers of its own.
//!
//! Prints:
//!
//! ```text
//! tokio: 42, then timed out after 20ms, then cancelled: done here
//! smol: 42, then timed out after 20ms, then cancelled: done here
//! async-std: 42, then timed out after 20ms, then cancelled: done here
//! ```

use std::io;
use std::time::Duration;

use cancelable::prelude::*;

/// Waits only for sources of this crate, so it can run on any runtime.
async fn work(token: CancellationToken) -> [String; 3] {
    let limit = Duration::from_millis(20);
    let quick = async { 42 }.cancelable(timeout(Duration::from_secs(60))).await;
    let slow = std::future::pending::<()>().cancelable(timeout(limit)).await;
    let stopped = std::future::pending::<()>().cancelable(&token).await;
    [
        quick.map_or_else(|cancelled| cancelled.to_string(), |answer| answer.to_string()),
        slow.unwrap_err().to_string(),
        stopped.unwrap_err().to_string(),
    ]
}

fn main() -> io::Result<()> {
    let token = CancellationToken::new();

    // `enable_time` and `enable_io` are not needed, because only the tasks of tokio are used.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let task = runtime.spawn(work(token.clone()));
    token.cancel_with("done here");
    println!("tokio: {}", runtime.block_on(task)?.join(", then "));

    let task = smol::spawn(work(token.clone()));
    println!("smol: {}", smol::block_on(task).join(", then "));

    let task = async_std::task::spawn(work(token));
    println!("async-std: {}", async_std::task::block_on(task).join(", then "));
    Ok(())
}
