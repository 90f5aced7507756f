//! The cost of spans and metrics for an operation whose work is ready at its first poll.
//!
//! `cargo bench -p cancelable-observed` prints the median of 21 rounds. `-- --loop ROW TIMES` repeats one row, to count
//! its instructions. `-- --quick` only checks that everything runs.

use std::env;
use std::hint::black_box;
use std::io::sink;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Level;
use tracing::subscriber::with_default;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

const ROUNDS: usize = 21;

/// What sees the operations. The metrics are last, because they cannot be disabled again.
const ROWS: [&str; 6] = ["nothing", "filtered", "registry", "fmt", "opentelemetry", "metrics"];

/// Runs operations one after another.
fn repeat(times: u32) {
    let mut cx = Context::from_waker(Waker::noop());
    for value in 0..times {
        let limit = timeout(Duration::from_secs(60));
        let run = pin!(async { black_box(value) }.cancelable(limit).named("fetch"));
        assert_eq!(run.poll(&mut cx), Poll::Ready(Ok(value)));
    }
}

/// Calls `f` while the subscriber or the recorder of a row is active.
fn seen_by(row: &str, f: impl FnOnce()) {
    match row {
        "nothing" => f(),
        // It sees the spans of other crates.
        "filtered" => {
            let targets = Targets::new().with_default(Level::TRACE);
            let targets = targets.with_target("cancelable", LevelFilter::OFF);
            with_default(registry().with(targets), f);
        }
        "registry" => with_default(registry(), f),
        "fmt" => with_default(tracing_subscriber::fmt().with_writer(sink).finish(), f),
        "opentelemetry" => {
            let provider = SdkTracerProvider::builder().build();
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("cost"));
            with_default(registry().with(layer), f);
        }
        "metrics" => {
            let builder = PrometheusBuilder::new().set_buckets(&[0.001, 1.0]).unwrap();
            let recorder = builder.build_recorder();
            metrics::with_local_recorder(&recorder, || {
                cancelable::metrics::enable();
                f();
            });
        }
        _ => panic!("there is no row `{row}`: {ROWS:?}"),
    }
}

/// Returns the median time of an operation, in nanoseconds.
fn median(times: u32) -> f64 {
    let mut rounds = [0.0; ROUNDS];
    for round in &mut rounds {
        let start = Instant::now();
        repeat(times);
        *round = start.elapsed().as_secs_f64() * 1e9 / f64::from(times);
    }
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let args: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let times = match args[..] {
        ["--loop", row, times] => return seen_by(row, || repeat(times.parse().unwrap())),
        ["--quick"] => 10,
        _ => 20_000,
    };
    for row in ROWS {
        seen_by(row, || println!("{row:<14} {:>8.1} ns", median(times)));
    }
}
