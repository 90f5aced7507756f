//! Retries by hand: a call that failed is tried again after a pause. A cancellation ends the loop at once, whether it is in a
//! call or in a pause.
//!
//! Prints:
//!
//! ```text
//! recovers: busy, try 2 in 1ms
//! recovers: busy, try 3 in 2ms
//! recovers: 42
//! stays busy: busy, try 2 in 1ms
//! stays busy: busy, try 3 in 2ms
//! stays busy: gave up after 3 tries: busy
//! in the pause: busy, try 2 in 60s
//! in the pause: timed out after 20ms
//! in the call: `session` cancelled: the user left
//! before the call: `session` cancelled: the user left
//! calls: 3, 3, 1, 1, 0
//! ```

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use cancelable::prelude::*;

#[derive(Clone, Copy)]
struct Busy;

/// The errors of a retry. `Exhausted` is about the server, and `Cancelled` is about the operation.
enum RetryError {
    Exhausted { tries: u32, last: Busy },
    Cancelled(Cancelled),
}

impl From<Cancelled> for RetryError {
    fn from(cancelled: Cancelled) -> Self {
        RetryError::Cancelled(cancelled)
    }
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RetryError::Exhausted { tries, last } => {
                write!(f, "gave up after {tries} tries: {last}")
            }
            RetryError::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("busy")
    }
}

/// A server that is busy until its `answers_at`-th call.
struct Server {
    /// Zero if the server is always busy.
    answers_at: u32,
    calls: Cell<u32>,
    /// Whether its calls never return.
    hangs: bool,
}

impl Server {
    async fn ask(&self) -> Result<u32, Busy> {
        self.calls.set(self.calls.get() + 1);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.calls.get() == self.answers_at { Ok(42) } else { Err(Busy) }
    }
}

/// Tries three times, with pauses that double.
async fn retry(
    what: &str,
    operation: &Operation,
    server: &Server,
    mut pause: Duration,
) -> Result<u32, RetryError> {
    // Once the operation is cancelled, neither of these futures starts or continues.
    let ask = operation.wrap(|()| server.ask());
    let wait = operation.wrap(smol::Timer::after);

    let mut tries = 1;
    loop {
        // If the operation was cancelled, `?` leaves the loop. Otherwise, the answer of the server remains.
        let last = match ask(()).await? {
            Ok(answer) => return Ok(answer),
            Err(last) => last,
        };
        if tries == 3 {
            return Err(RetryError::Exhausted { tries, last });
        }
        tries += 1;
        println!("{what}: {last}, try {tries} in {pause:?}");
        wait(pause).await?;
        pause *= 2;
    }
}

fn report(what: &str, outcome: Result<u32, RetryError>) {
    match outcome {
        Ok(answer) => println!("{what}: {answer}"),
        Err(error) => println!("{what}: {error}"),
    }
}

fn main() {
    let short = Duration::from_millis(1);
    let long = Duration::from_secs(60);
    let server = |answers_at, hangs| Server { answers_at, calls: Cell::new(0), hangs };
    let servers =
        [server(3, false), server(0, false), server(0, false), server(0, true), server(0, true)];
    let [recovers, stays_busy, fails_once, hangs, never_asked] = &servers;

    smol::block_on(async {
        for (what, server) in [("recovers", recovers), ("stays busy", stays_busy)] {
            let future = try_scope(never(), async |operation: Operation| {
                retry(what, &operation, server, short).await
            });
            report(what, future.await);
        }

        let what = "in the pause";
        let future = try_scope(timeout(Duration::from_millis(20)), async |operation: Operation| {
            retry(what, &operation, fails_once, long).await
        });
        report(what, future.await);

        // From here on, the loop is not the work of the operation: it only has a handle of the operation. Without `wrap`, a
        // cancellation would not end the loop.
        let user = CancellationToken::new();
        let session = std::future::pending::<()>().cancelable(&user).named("session");
        let operation = session.operation();
        let leave = async {
            smol::future::yield_now().await;
            user.cancel_with("the user left");
        };
        let tries = retry("in the call", &operation, hangs, short);
        let (_, result) = smol::future::zip(smol::future::zip(session, leave), tries).await;
        report("in the call", result);

        let what = "before the call";
        report(what, retry(what, &operation, never_asked, short).await);
    });

    let calls = servers.map(|server| server.calls.get().to_string());
    println!("calls: {}", calls.join(", "));
}
