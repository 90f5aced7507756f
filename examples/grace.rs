//! Gives cancelled workers a grace period to finish: the baker finishes in time, the painter takes too long and is dropped,
//! and the sleeper never notices the cancellation.
//!
//! Prints:
//!
//! ```text
//! baker: asked to stop: timed out after 20ms
//! baker: 1 loaf, completed; the reason is still known: timed out after 20ms
//! painter: asked to stop: timed out after 20ms
//! painter: timed out after 20ms, cancelled by force: true
//! sleeper: timed out after 20ms, cancelled by force: true
//! ```

use std::time::Duration;

use cancelable::prelude::*;

/// Bakes one loaf after another. It checks for cancellation after each loaf, so a loaf in the oven is not thrown away.
async fn bake(operation: Operation) -> String {
    let mut loaves = 0;
    loop {
        smol::Timer::after(Duration::from_millis(100)).await;
        loaves += 1;
        if let Err(cancelled) = operation.check() {
            println!("baker: asked to stop: {}", cancelled.reason());
            return format!("{loaves} loaf");
        }
    }
}

/// Notices the cancellation at once, but takes too long to finish.
async fn paint(operation: Operation) -> String {
    let reason = operation.cancelled().await;
    println!("painter: asked to stop: {reason}");
    smol::Timer::after(Duration::from_secs(60)).await;
    "a picture".to_owned()
}

async fn sleep(_: Operation) -> String {
    std::future::pending().await
}

async fn run<Fut>(name: &'static str, grace: Duration, worker: impl FnOnce(Operation) -> Fut)
where
    Fut: Future<Output = String>,
{
    let future = scope(timeout(Duration::from_millis(20)), worker).named(name).grace(grace);
    let operation = future.operation();
    match future.await {
        Ok(product) => {
            print!("{name}: {product}, {}", operation.status());
            if let Some(reason) = operation.reason() {
                print!("; the reason is still known: {reason}");
            }
            println!();
        }
        Err(cancelled) => {
            let (status, forced) = (operation.status(), cancelled.was_forced());
            let reason = cancelled.reason();
            println!("{name}: {reason}, {status} by force: {forced}");
        }
    }
}

fn main() {
    smol::block_on(async {
        run("baker", Duration::from_secs(30), bake).await;
        run("painter", Duration::from_millis(50), paint).await;
        run("sleeper", Duration::from_millis(50), sleep).await;
    });
}
