//! Makes functions cancelable with an attribute.
//!
//! Prints:
//!
//! ```text
//! quick: 42
//! slow: `ask` cancelled: timed out after 50ms
//! line 1: 3 words
//! line 2: no words
//! line 3: `count` cancelled: enough
//! copy a.txt: 1 of 3
//! copy a.txt: 2 of 3
//! copy a.txt: kept 2 of 3 blocks
//! ```

use std::fmt;
use std::time::Duration;

use cancelable::prelude::*;

/// Stands in for a call to a server.
#[cancelable(timeout = "50ms")]
async fn ask(delay: Duration) -> Result<u32, Cancelled> {
    smol::Timer::after(delay).await;
    Ok(42)
}

/// Your own error type, with a conversion from `Cancelled`.
enum CountError {
    NoWords,
    Cancelled(Cancelled),
}

impl From<Cancelled> for CountError {
    fn from(cancelled: Cancelled) -> Self {
        CountError::Cancelled(cancelled)
    }
}

impl fmt::Display for CountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CountError::NoWords => f.write_str("no words"),
            CountError::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

struct Counter {
    stop: CancellationToken,
    lines: usize,
}

impl Counter {
    /// The caller passes the time limit. The token is a field of the counter. The body can still change the counter.
    #[cancelable(token = self.stop, timeout = limit)]
    async fn count(&mut self, line: &str, limit: Duration) -> Result<usize, CountError> {
        self.lines += 1;
        if self.lines == 2 {
            self.stop.cancel_with("enough");
        }
        match line.split_whitespace().count() {
            0 => Err(CountError::NoWords),
            words => Ok(words),
        }
    }
}

/// Names the operation after the file. The attribute passes the argument `operation`, so callers leave it out. After a
/// cancellation, the body has five seconds to finish.
#[cancelable(token = stop, name = format!("copy {file}"), grace = "5s")]
async fn copy(
    file: &str,
    blocks: u64,
    stop: &CancellationToken,
    operation: Operation,
) -> Result<u64, Cancelled> {
    for done in 1..=blocks {
        operation.report_progress(Progress::steps(done, blocks));
        let name = operation.name().unwrap_or("a copy");
        println!("{name}: {done} of {blocks}");
        if done == 2 {
            stop.cancel_with("the disk is full");
        }
        smol::future::yield_now().await;
        if operation.is_cancelled() {
            println!("{name}: kept {done} of {blocks} blocks");
            return Ok(done);
        }
    }
    Ok(blocks)
}

fn main() {
    smol::block_on(async {
        for (name, delay) in [("quick", 1), ("slow", 60_000)] {
            match ask(Duration::from_millis(delay)).await {
                Ok(answer) => println!("{name}: {answer}"),
                Err(cancelled) => println!("{name}: {cancelled}"),
            }
        }

        let mut counter = Counter { stop: CancellationToken::new(), lines: 0 };
        for (number, line) in (1..).zip(["one two three", "", "four"]) {
            match counter.count(line, Duration::from_secs(60)).await {
                Ok(words) => println!("line {number}: {words} words"),
                Err(error) => println!("line {number}: {error}"),
            }
        }

        let copied = copy("a.txt", 3, &CancellationToken::new()).await;
        assert_eq!(copied, Ok(2));
    });
}
