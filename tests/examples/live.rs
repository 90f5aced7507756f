//! The larger examples, with real files, connections and signals.

mod build_driver;
mod crawler;
mod monitor;
mod pipeline;

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Once;

use private_harness::{Running, example};

/// Starts an example, which is built first: with all features, and before the watchdog starts.
fn start_example(name: &str, arguments: &[&OsStr]) -> Running {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let test = std::env::current_exe().unwrap();
        let profile_dir = test.parent().and_then(|deps| deps.parent()).unwrap();
        let profile = match profile_dir.file_name().and_then(OsStr::to_str).unwrap() {
            "debug" => "dev",
            name => name,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--all-features", "--profile", profile]);
        cargo.args(["--example", "crawler", "--example", "pipeline", "--example", "monitor"]);
        cargo.args(["--example", "build_driver"]);
        cargo.arg("--target-dir").arg(profile_dir.parent().unwrap());
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(built.success(), "the examples do not build");
    });
    Running::start(&example(name), arguments)
}
