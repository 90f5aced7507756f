//! Connects a progress bar of the crate `indicatif` to an operation. The bar is drawn on stderr. If stderr is not a terminal,
//! the bar is hidden.
//!
//! Prints:
//!
//! ```text
//! completed: the bar stands at 20 of 20, `file 20`
//! cancelled: the bar stands at 7 of 20, `cancelled: seven are enough`
//! ```

use std::time::Duration;

use cancelable::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};

const FILES: u64 = 20;

/// Stands in for work that knows nothing about progress bars.
async fn hash_files(operation: Operation) {
    for file in 1..=FILES {
        smol::Timer::after(Duration::from_millis(10)).await;
        let progress = Progress::steps(file, FILES).with_message(format!("file {file}"));
        operation.report_progress(progress);
    }
}

/// Runs the work as an operation, and shows its progress on a bar. Cancels the operation after `limit` steps. Returns the bar
/// and the final status.
async fn with_bar<Fut: Future>(
    work: impl FnOnce(Operation) -> Fut,
    limit: u64,
) -> (ProgressBar, Status) {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }

    let future = scope(never(), work)
        .on_progress({
            let bar = bar.clone();
            move |_, progress| {
                if let Some((done, total)) = progress.counted() {
                    bar.set_length(total);
                    bar.set_position(done);
                }
                if let Some(message) = progress.message() {
                    bar.set_message(message.to_owned());
                }
            }
        })
        // A hook gets the handle of the operation, and may cancel the operation.
        .on_progress(move |operation, progress| {
            if progress.counted().is_some_and(|(done, _)| done == limit) {
                operation.cancel_with("seven are enough");
            }
        })
        .on_complete({
            let bar = bar.clone();
            move |_| bar.finish()
        })
        .on_cancel({
            let bar = bar.clone();
            move |_, reason| bar.abandon_with_message(reason.to_string())
        });
    let operation = future.operation();
    let _ = future.await;
    (bar, operation.status())
}

fn main() {
    smol::block_on(async {
        for limit in [u64::MAX, 7] {
            let (bar, status) = with_bar(hash_files, limit).await;
            let (done, total) = (bar.position(), bar.length().unwrap_or(0));
            println!("{status}: the bar stands at {done} of {total}, `{}`", bar.message());
        }
    });
}
