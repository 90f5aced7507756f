//! The manifest: dependencies, their licences and the oldest Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::support;

/// The oldest Rust that the package promises to build with.
const OLDEST: (u64, u64) = (1, 85);

/// Licences that are compatible with MIT. A dependency must offer at least one of them.
const LICENCES: [&str; 4] = ["MIT", "Apache-2.0", "BSD-2-Clause", "Unicode-3.0"];

/// Returns the name that cargo has for this machine.
fn host() -> String {
    let output = Command::new(env!("CARGO")).arg("-vV").output().expect("cargo runs");
    let text = String::from_utf8(output.stdout).expect("cargo prints text");
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.expect("cargo names the host").to_owned()
}

/// Returns the packages that a user of the crate builds on this machine with all features, by name
/// and version.
fn built() -> BTreeMap<(String, String), Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--locked", "--offline"])
        .args(["--filter-platform", &host()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");

    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages: BTreeMap<_, _> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let nodes: BTreeMap<_, _> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node["id"]), node))
        .collect();

    let mut unseen = vec![text(&metadata["resolve"]["root"])];
    let mut seen = BTreeSet::new();
    while let Some(id) = unseen.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            // `null` is an ordinary dependency; the others are `dev` and `build`.
            let used = list(&dependency["dep_kinds"]).iter().any(|kind| {
                let target = kind["target"].as_str().unwrap_or_default();
                kind["kind"] != "dev" && !target.contains("cancelable_loom")
            });
            if used {
                unseen.push(text(&dependency["pkg"]));
            }
        }
    }
    let name = |package: &Value| (text(&package["name"]), text(&package["version"]));
    seen.iter().map(|id| (name(&packages[id]), packages[id].clone())).collect()
}

#[test]
fn dependencies_build_with_the_oldest_rust() {
    let _watchdog = support::watchdog();
    for (name, package) in built() {
        let Some(needs) = package["rust_version"].as_str() else { continue };
        let mut parts = needs.split('.').map(|part| part.parse::<u64>().unwrap());
        let needs = (parts.next().unwrap(), parts.next().unwrap_or(0));
        assert!(needs <= OLDEST, "{name:?} needs Rust {needs:?}");
    }
}

#[test]
fn oldest_rust_is_declared() {
    let _watchdog = support::watchdog();
    assert_eq!(env!("CARGO_PKG_RUST_VERSION"), format!("{}.{}", OLDEST.0, OLDEST.1));
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&format!("{}.{} or newer", OLDEST.0, OLDEST.1)));
}

#[test]
fn licences_go_with_mit() {
    let _watchdog = support::watchdog();
    for (name, package) in built() {
        let licence = package["license"].as_str().unwrap_or_default();
        let offered = LICENCES.iter().any(|known| licence.contains(known));
        assert!(offered, "{name:?} is under {licence:?}");
    }
}

/// Checked on Linux. On Windows, some families of crates come in several versions.
#[test]
fn one_version_of_each_dependency() {
    let _watchdog = support::watchdog();
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-e", "normal", "-p", "cancelable", "--all-features", "--duplicates"])
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
