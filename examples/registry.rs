//! Keeps the requests of a service in a registry: it lists them, and at shutdown it reports which of
//! them did not stop, and what they are waiting for.
//!
//! It ends by itself after a moment; an argument sets how many milliseconds that takes. To end it
//! earlier, press Ctrl-C or `kill -TERM` its process. A second signal ends it at once. The whole
//! report goes to stderr. Prints:
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

/// Serves one request in its own task.
fn serve<F>(name: &'static str, request: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let operation = request.cancelable(timeout(Duration::from_secs(60))).named(name).registered();
    smol::spawn(async move {
        // The client is gone, so there is nothing to answer.
        let _ = operation.await;
    })
    .detach();
}

/// The service: it gets a few requests, and then no more.
async fn accept(open: Duration) {
    let registry = Registry::global();
    serve("GET /", async {});
    serve("GET /b", pending());
    // Once this upload has begun, it runs to its end.
    serve("PUT /a", async {
        let flush = async {
            Timer::after(Duration::from_millis(500)).await;
        };
        shield(flush).named("flush").await;
    });
    // This upload never gets an answer.
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

    // Requests get a moment to finish. Those that are left are cancelled, and get two seconds to stop.
    let plan = ShutdownPlan::new().finish(Duration::from_millis(100)).grace(Duration::from_secs(2));
    // Registers the signals now: none is lost from here on.
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
