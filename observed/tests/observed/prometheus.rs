//! What `metrics-exporter-prometheus` renders of operations.

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::{metrics as names, testing};
use metrics_exporter_prometheus::PrometheusBuilder;
use private_harness::watchdog;

/// Calls `f`, and returns what a scrape would read then. Histograms have the buckets up to 1 s, 10 s and 100 s.
pub(crate) fn rendered(f: impl FnOnce()) -> String {
    let builder = PrometheusBuilder::new().set_buckets(&[1.0, 10.0, 100.0]).unwrap();
    let recorder = builder.build_recorder();
    metrics::with_local_recorder(&recorder, || {
        names::enable();
        f();
    });
    recorder.handle().render()
}

/// Runs operations that end in each way, with each metric.
pub(crate) fn each_way_to_end() {
    assert_eq!(smol::block_on(async {}.cancelable(never()).named("quick")), Ok(()));
    let failed = async { Err::<(), _>(std::io::Error::other("no disk")) };
    assert!(smol::block_on(failed.try_cancelable(never()).named("failed")).is_err());
    let limit = timeout(Duration::from_secs(20));
    let slow = pending::<()>().cancelable(limit).named("slow").grace(Duration::from_secs(30));
    assert!(testing::run(slow).is_err());
}

#[track_caller]
fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line}\n{text}");
    }
}

#[test]
fn samples() {
    let _watchdog = watchdog();
    let text = rendered(each_way_to_end);
    let slow = r#"operation="slow""#;
    let counted = |name: &str, labels: &str, value: u32| format!("{name}{{{labels}}} {value}");
    let cancelled = format!(r#"{slow},outcome="cancelled""#);
    let [timed_out, latency] =
        [format!(r#"{cancelled},reason="timeout""#), format!(r#"{slow},reason="timeout""#)];
    let lines = [
        counted(names::STARTED, slow, 1),
        counted(names::RUNNING, slow, 0),
        counted(names::ENDED, &timed_out, 1),
        counted(names::ENDED, r#"operation="quick",outcome="completed",reason="none""#, 1),
        counted(names::ENDED, r#"operation="failed",outcome="failed",reason="none""#, 1),
        counted(&format!("{}_sum", names::DURATION), &cancelled, 50),
        counted(&format!("{}_bucket", names::DURATION), &format!(r#"{cancelled},le="10""#), 0),
        counted(&format!("{}_bucket", names::DURATION), &format!(r#"{cancelled},le="100""#), 1),
        counted(&format!("{}_sum", names::CANCELLATION_LATENCY), &latency, 30),
        counted(&format!("{}_count", names::LONGEST_POLL), slow, 1),
    ];
    assert_has(&text, &lines.each_ref().map(String::as_str));
}

/// Each metric has its help and its type.
#[test]
fn help_and_type() {
    let _watchdog = watchdog();
    let text = rendered(each_way_to_end);
    let kinds = [
        (names::STARTED, "counter"),
        (names::ENDED, "counter"),
        (names::RUNNING, "gauge"),
        (names::DURATION, "histogram"),
        (names::CANCELLATION_LATENCY, "histogram"),
        (names::LONGEST_POLL, "histogram"),
    ];
    for (name, kind) in kinds {
        assert_has(&text, &[&format!("# TYPE {name} {kind}")]);
        assert!(text.contains(&format!("# HELP {name} ")), "{name}\n{text}");
    }
    assert_eq!(text.matches("# TYPE ").count(), kinds.len(), "{text}");
}

/// Input of the program makes no new series.
#[test]
fn series_are_bounded() {
    let _watchdog = watchdog();
    let pages = |count: u32| {
        let text = rendered(|| {
            for page in 0..count {
                let run = async {}.cancelable(never()).named(format!("page {page}"));
                assert!(smol::block_on(run.metadata("page", page.to_string())).is_ok());
                let run = pending::<()>().cancelable(never()).named(format!("page {page}"));
                run.operation().cancel_with(format!("closed {page}"));
                assert!(smol::block_on(run).is_err());
            }
        });
        let series = text.lines().filter(|line| !line.starts_with('#'));
        series.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect::<BTreeSet<_>>()
    };
    let series = pages(100);
    assert_eq!(series, pages(1));
    assert!(series.iter().all(|series| series.contains(r#"operation="other""#)), "{series:?}");
}

/// A panic of the work reaches its caller, and the metrics count a failure.
#[test]
fn panic_is_a_failure() {
    let _watchdog = watchdog();
    let text = rendered(|| {
        let mut run = pin!(async { panic!("broken") }.cancelable(never()).named("broken"));
        let mut poll = || run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        assert!(catch_unwind(AssertUnwindSafe(&mut poll)).is_err());
    });
    let failed = r#"{operation="broken",outcome="failed",reason="none"} 1"#;
    assert_has(&text, &[&format!("{}{failed}", names::ENDED)]);
}
