//! `Log`: a recorder that keeps everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// The values that were recorded, by metric and labels.
type Values = Arc<Mutex<BTreeMap<(String, String), Vec<f64>>>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    values: Values,
    described: Arc<Mutex<BTreeSet<String>>>,
}

/// Enables metrics, calls `f` with a recorder on this thread, and returns the recorder.
pub(crate) fn recorded(f: impl FnOnce()) -> Log {
    let log = Log::default();
    cancelable::metrics::enable();
    metrics::with_local_recorder(&log, f);
    log
}

impl Log {
    /// Returns what was recorded for a metric and its labels, such as `a=1,b=2`.
    pub(crate) fn values(&self, name: &str, labels: &str) -> Vec<f64> {
        let key = (name.to_owned(), labels.to_owned());
        self.values.lock().unwrap().get(&key).cloned().unwrap_or_default()
    }

    pub(crate) fn count(&self, name: &str, labels: &str) -> usize {
        self.values(name, labels).len()
    }

    /// Returns the sum, which is the value of a counter or a gauge.
    pub(crate) fn sum(&self, name: &str, labels: &str) -> f64 {
        self.values(name, labels).iter().sum()
    }

    /// Returns the labels of a metric that were used.
    pub(crate) fn labels(&self, name: &str) -> Vec<String> {
        let values = self.values.lock().unwrap();
        values.keys().filter(|key| key.0 == name).map(|key| key.1.clone()).collect()
    }

    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.values.lock().unwrap().keys().map(|key| key.0.clone()).collect()
    }

    pub(crate) fn described(&self) -> Vec<String> {
        self.described.lock().unwrap().iter().cloned().collect()
    }

    fn describe(&self, name: KeyName) {
        self.described.lock().unwrap().insert(name.as_str().to_owned());
    }

    fn series(&self, key: &Key) -> Arc<Series> {
        let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
        let key = (key.name().to_owned(), labels.collect::<Vec<_>>().join(","));
        Arc::new(Series { key, values: self.values.clone() })
    }
}

struct Series {
    key: (String, String),
    values: Values,
}

impl Series {
    fn add(&self, value: f64) {
        self.values.lock().unwrap().entry(self.key.clone()).or_default().push(value);
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, _: u64) {
        unreachable!("counters are incremented");
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _: f64) {
        unreachable!("gauges are incremented and decremented");
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl Recorder for Log {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(name);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(name);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(name);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}
