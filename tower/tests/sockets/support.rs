//! Servers on loopback, and what the handlers have seen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use cancelable::prelude::*;
use cancelable::registry::HistoryQuery;
use private_harness::watchdog;
use tokio::net::TcpListener;

/// Runs a test on a runtime of two threads. A test that hangs ends the process.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let _watchdog = watchdog();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the runtime starts");
    runtime.block_on(test)
}

/// Serves `app` until the test ends.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Waits until `met` returns true. The watchdog limits the wait.
pub(crate) async fn until(met: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !met() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    began.elapsed()
}

/// Waits until nothing runs, and returns how each operation has ended, the oldest first.
pub(crate) async fn ended(registry: &Registry) -> Vec<(Status, Option<Reason>)> {
    until(|| registry.is_empty()).await;
    let records = registry.history(HistoryQuery::default());
    records.iter().map(|record| (record.snapshot.status, record.snapshot.reason.clone())).collect()
}
