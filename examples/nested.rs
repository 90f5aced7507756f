//! Nests sources within sources, and builds a list of sources at run time.
//!
//! Prints:
//!
//! ```text
//! shown long enough, and loaded: all of: timed out after 50ms; cancelled: loaded
//! no limit: finished
//! a limit: timed out after 50ms
//! a limit, and closed by the user: cancelled: closed
//! ```

use std::time::Duration;

use cancelable::prelude::*;
use cancelable::source::BoxSource;

#[derive(Default)]
struct Settings {
    limit: Option<Duration>,
    closed: Option<CancellationToken>,
}

impl Settings {
    /// Returns the sources in boxes, so that sources of different types fit into one `Vec`. If the `Vec` is empty, `any_of`
    /// turns it into a source that never fires.
    fn sources(&self) -> Vec<BoxSource<'_>> {
        let mut sources: Vec<BoxSource<'_>> = Vec::new();
        if let Some(closed) = &self.closed {
            sources.push(Box::pin(closed.cancelled()));
        }
        if let Some(limit) = self.limit {
            sources.push(Box::pin(timeout(limit)));
        }
        sources
    }
}

async fn report<T>(what: &str, work: impl Future<Output = T>, settings: &Settings) {
    match work.cancelable(any_of(settings.sources())).await {
        Ok(_) => println!("{what}: finished"),
        Err(cancelled) => println!("{what}: {cancelled}"),
    }
}

fn main() {
    let limit = Some(Duration::from_millis(50));
    smol::block_on(async {
        let (loaded, closed) = (CancellationToken::new(), CancellationToken::new());
        loaded.cancel_with("loaded");
        let shown_and_loaded = all_of((timeout(Duration::from_millis(50)), &loaded));
        let reason = any_of((shown_and_loaded, &closed)).await;
        println!("shown long enough, and loaded: {reason}");

        report("no limit", async { 7 }, &Settings::default()).await;
        let settings = Settings { limit, closed: Some(closed.clone()) };
        report("a limit", std::future::pending::<()>(), &settings).await;
        closed.cancel_with("closed");
        report("a limit, and closed by the user", std::future::pending::<()>(), &settings).await;
    });
}
