//! Keeps the requests of a service in a registry. The service lists the running requests. At shutdown, it reports which
//! requests did not stop, and what they are waiting for.
//!
//! The program ends by itself after a moment. An argument sets after how many milliseconds. To end it earlier, press Ctrl-C or
//! send `kill -TERM` to its process. A second signal ends it at once. The whole report goes to stderr. Prints:
//!
//! ```text
//! running:
//!   GET /b: running
//!   PUT /a: running
//!   PUT /c: running
//! asked to end: cancelled: the service ended
//! stopped:
//!   GET /b: cancelled
//!   PUT /a: cancelled
//! did not stop:
//!   PUT /c: in shield "upload"
//! ```
//!
//! The exit code is 1, because one request did not stop.

use std::env;
use std::future::pending;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use cancelable::Status;
use cancelable::prelude::*;
use cancelable::registry::{Filter, ShutdownPlan};
use smol::Timer;

/// Serves a request in a task of its own.
fn serve<F>(name: &'static str, request: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let operation = request.cancelable(timeout(Duration::from_secs(60))).named(name).registered();
    smol::spawn(async move {
        // The result is ignored, because the client of a cancelled request gets no answer.
        let _ = operation.await;
    })
    .detach();
}

/// The service. It gets a few requests at the start, and then no more.
async fn accept(open: Duration) {
    let registry = Registry::global();
    serve("GET /", async {});
    serve("GET /b", pending());
    // The shield lets this upload run to its end once it has begun.
    serve("PUT /a", async {
        let flush = async {
            Timer::after(Duration::from_millis(500)).await;
        };
        shield(flush).named("flush").await;
    });
    // This upload never ends, and its shield delays a cancellation forever.
    serve("PUT /c", shield(pending()).named("upload").into_future());

    while registry.stats().running < 3 || registry.stats().completed < 1 {
        Timer::after(Duration::from_millis(1)).await;
    }
    println!("running:");
    let mut running = registry.find(Filter::all().status(Status::Running));
    running.sort_by(|a, b| a.name.cmp(&b.name));
    for request in running {
        println!("  {}: {}", request.name.as_deref().unwrap_or("?"), request.status);
    }
    Timer::after(open).await;
}

fn main() -> io::Result<ExitCode> {
    let open = env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(100);

    // At shutdown, requests get 100 ms to finish. The remaining requests are then cancelled, and get two seconds to stop.
    let plan = ShutdownPlan::new().finish(Duration::from_millis(100)).grace(Duration::from_secs(2));
    // This registers the signals, so no signal is lost from here on.
    let stop = Registry::global().shutdown_on_termination(plan)?;
    let (_, end) = smol::block_on(stop.serve(accept(Duration::from_millis(open))));

    println!("asked to end: {}", end.reason);
    let in_the_end =
        |record: &&cancelable::registry::Record| record.snapshot.status == Status::Cancelled;
    let mut stopped: Vec<_> = end.report.stopped.iter().filter(in_the_end).collect();
    stopped.sort_by(|a, b| a.snapshot.name.cmp(&b.snapshot.name));
    println!("stopped:");
    for record in stopped {
        let name = record.snapshot.name.as_deref().unwrap_or("?");
        println!("  {name}: {}", record.snapshot.status);
    }
    println!("did not stop:");
    for request in &end.report.remaining {
        println!("  {}: {}", request.snapshot.name.as_deref().unwrap_or("?"), request.phase);
    }
    eprintln!("{}", end.report);
    Ok(end.exit_code())
}
