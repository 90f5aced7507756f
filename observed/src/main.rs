//! A program whose operations are spans and metrics.
//!
//! `cargo run -p cancelable-observed` imports two feeds. The second feed does not answer. The program prints a line on standard error
//! for each span that closes, and then the metrics on standard output, in the format of Prometheus.

use std::future::pending;
use std::io;
use std::time::Duration;

use cancelable::prelude::*;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};
use tracing_subscriber::fmt::format::FmtSpan;

/// The upper ends of the buckets of histograms, in seconds. Without them, the exporter writes summaries.
const BUCKETS: [f64; 8] = [0.000_1, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0];

async fn fetch(feed: &str) -> u32 {
    match feed {
        "news" => 7,
        // It never answers.
        _ => pending().await,
    }
}

async fn import() -> u32 {
    let mut rows = 0;
    for feed in ["news", "weather"] {
        // The name is a literal, so it is a label. The name of the feed is not.
        let limit = timeout(Duration::from_millis(5));
        let fetched =
            fetch(feed).cancelable(limit).named("fetch").metadata("feed", feed.to_owned());
        rows += fetched.await.unwrap_or(0);
    }
    rows
}

fn main() -> Result<(), BuildError> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    cancelable::metrics::enable();

    let spans = tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE).with_ansi(false);
    spans.with_writer(io::stderr).init();

    let imported = smol::block_on(import().cancelable(never()).named("import"));
    assert_eq!(imported, Ok(7));
    print!("{}", recorder.render());
    Ok(())
}
