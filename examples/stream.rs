//! Averages a stream of readings, four at a time, until the stream ends, is cancelled by a hook, or stalls. Prints a summary
//! of each stream afterwards.
//!
//! Prints:
//!
//! ```text
//! averages: 2.5, 6.5, 9
//! completed after 9 readings
//! averages: 2.5
//! cancelled after 6 readings (cancelled: six are enough), not averaged: [5, 6]
//! averages: 2.5
//! cancelled after 7 readings (timed out after 200ms), not averaged: [5, 6, 7]
//! ```

use std::pin::pin;
use std::time::Duration;

use cancelable::prelude::*;
use futures::{Stream, StreamExt, stream};

/// A device that sends a reading every millisecond.
fn device(readings: u32) -> impl Stream<Item = u32> {
    stream::iter(1..=readings).then(async |reading| {
        smol::Timer::after(Duration::from_millis(1)).await;
        reading
    })
}

/// Averages the readings, and prints how the stream ended.
async fn average(readings: impl Stream<Item = u32>, enough: Option<u32>) {
    let readings = readings
        // The first limit is for the whole stream, and the second for the time between two readings.
        .cancelable_stream(timeout(Duration::from_secs(30)))
        .idle_timeout(Duration::from_millis(200))
        .report_every(2)
        .on_progress(move |operation, progress| {
            if progress.get("items") == enough.map(|enough| enough.to_string()).as_deref() {
                operation.cancel_with("six are enough");
            }
        })
        .named("readings")
        .chunks(4);
    let partial = readings.partial();

    let mut readings = pin!(readings);
    let mut averages = Vec::new();
    while let Some(Ok(chunk)) = readings.next().await {
        let average = f64::from(chunk.iter().sum::<u32>()) / chunk.len() as f64;
        averages.push(average.to_string());
    }

    println!("averages: {}", averages.join(", "));
    let (status, count) = (partial.status(), partial.count());
    match partial.reason() {
        None => println!("{status} after {count} readings"),
        Some(reason) => {
            let left = partial.items();
            println!("{status} after {count} readings ({reason}), not averaged: {left:?}");
        }
    }
}

fn main() {
    smol::block_on(async {
        average(device(9), None).await;
        average(device(9), Some(6)).await;
        average(device(7).chain(stream::pending()), None).await;
    });
}
