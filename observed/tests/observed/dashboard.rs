//! The dashboard for Grafana in `docs/grafana.json`.

use std::collections::BTreeSet;
use std::fs;

use cancelable::metrics as names;
use private_harness::watchdog;
use serde_json::Value;

use crate::prometheus::{each_way_to_end, rendered};

fn dashboard() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grafana.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the queries of all panels.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

/// Each metric of the crate is in the dashboard, and each series of the dashboard is one that Prometheus scrapes.
#[test]
fn queries_and_metrics_agree() {
    let _watchdog = watchdog();
    let queries = queries(&dashboard());
    let used: BTreeSet<&str> = queries
        .iter()
        .flat_map(|query| words(query))
        .filter(|word| word.starts_with("cancelable_"))
        .collect();
    let text = rendered(each_way_to_end);
    let scraped: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    assert!(used.is_subset(&scraped), "{:?}", &used - &scraped);
    // These are all that the text has.
    let all = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for name in all {
        let histogram = format!("{name}_bucket");
        assert!(used.contains(name) || used.contains(&*histogram), "no panel shows {name}");
    }
}

/// Labels by which a query groups or filters are labels of the metric.
#[test]
fn labels_exist() {
    let _watchdog = watchdog();
    let known = ["operation", "outcome", "reason", "le"];
    for query in queries(&dashboard()) {
        let groups = query.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
        let filters = query.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let filters = filters.map(|filter| filter.split(['=', '!']).next().unwrap());
        for label in groups.flat_map(|group| group.split(", ")).chain(filters) {
            assert!(known.contains(&label), "`{label}` in {query}");
        }
        // The longest poll and the number of starts have no outcome and no reason.
        let only_names = [names::LONGEST_POLL, names::STARTED, names::RUNNING];
        if only_names.iter().any(|name| query.contains(name)) {
            assert!(!query.contains("outcome") && !query.contains("reason"), "{query}");
        }
    }
}

/// Panels do not overlap, and each has a title, a unit and the data source that the reader chooses.
#[test]
fn panels_are_complete() {
    let _watchdog = watchdog();
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{panel}");
        assert!(panel["description"].is_string(), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${source}", "{panel}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
        let [x, y, width, height] =
            ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + width <= 24, "{panel}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "two panels overlap: {panel}");
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["name"], "source");
    assert_eq!(variables[0]["type"], "datasource");
}
