//! Retries with the crate `backon`. `backon` decides when to try again, and the operation decides whether to continue at all.
//!
//! Prints:
//!
//! ```text
//! recovers: busy, again in 1ms
//! recovers: busy, again in 2ms
//! recovers: 42
//! not worth a retry: no such page
//! in the pause: busy, again in 60s
//! in the pause: `session` cancelled: the user left
//! calls: 3, 1, 1
//! ```

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use cancelable::prelude::*;

enum FetchError {
    Busy,
    NoSuchPage,
    Cancelled(Cancelled),
}

impl FetchError {
    /// A cancellation is never retried: the caller has given up.
    fn is_worth_a_retry(&self) -> bool {
        matches!(self, FetchError::Busy)
    }
}

impl From<Cancelled> for FetchError {
    fn from(cancelled: Cancelled) -> Self {
        FetchError::Cancelled(cancelled)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Busy => f.write_str("busy"),
            FetchError::NoSuchPage => f.write_str("no such page"),
            FetchError::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

/// A server that answers the third call.
struct Server {
    calls: Cell<u32>,
    knows_the_page: bool,
}

impl Server {
    async fn fetch(&self) -> Result<u32, FetchError> {
        self.calls.set(self.calls.get() + 1);
        match self.calls.get() {
            _ if !self.knows_the_page => Err(FetchError::NoSuchPage),
            3 => Ok(42),
            _ => Err(FetchError::Busy),
        }
    }
}

async fn fetch(
    what: &str,
    operation: &Operation,
    server: &Server,
    pause: Duration,
) -> Result<u32, FetchError> {
    let fetch = operation.wrap(|()| server.fetch());
    // Flattens the two nested results into one.
    let attempt = async || fetch(()).await?;

    // If a cancellation cuts a pause short, `backon` makes one more attempt. That attempt fails before it calls the server.
    attempt
        .retry(ExponentialBuilder::default().with_min_delay(pause).with_max_times(4))
        .sleep(operation.wrap(smol::Timer::after))
        .when(FetchError::is_worth_a_retry)
        .notify(|error, pause| println!("{what}: {error}, again in {pause:?}"))
        .await
}

fn report(what: &str, outcome: Result<u32, FetchError>) {
    match outcome {
        Ok(answer) => println!("{what}: {answer}"),
        Err(error) => println!("{what}: {error}"),
    }
}

fn main() {
    let short = Duration::from_millis(1);
    let server = |knows_the_page| Server { calls: Cell::new(0), knows_the_page };
    let servers = [server(true), server(false), server(true)];
    let [recovers, no_such_page, left] = &servers;

    smol::block_on(async {
        for (what, server) in [("recovers", recovers), ("not worth a retry", no_such_page)] {
            let future = try_scope(never(), async |operation: Operation| {
                fetch(what, &operation, server, short).await
            });
            report(what, future.await);
        }

        // This loop is not the work of the operation. Without `wrap`, a cancellation would not end the loop.
        let user = CancellationToken::new();
        let session = std::future::pending::<()>().cancelable(&user).named("session");
        let operation = session.operation();
        let leave = async {
            smol::Timer::after(Duration::from_millis(20)).await;
            user.cancel_with("the user left");
        };
        let tries = fetch("in the pause", &operation, left, Duration::from_secs(60));
        let (_, result) = smol::future::zip(smol::future::zip(session, leave), tries).await;
        report("in the pause", result);
    });

    let calls = servers.map(|server| server.calls.get().to_string());
    println!("calls: {}", calls.join(", "));
}
