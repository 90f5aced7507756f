//! The help that the compiler gives for a value that is not a source.
//!
//! Only the text that comes from this crate is compared, because the rest of a message changes with the version of the
//! compiler. There is no watchdog, because compiling may take long.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

const PROGRAM: &str = include_str!("compile_errors/not_a_source.rs");

/// Compiles the program as a crate of its own, and returns the compiler's messages.
fn messages() -> Vec<Value> {
    let krate = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_errors");
    let root = env!("CARGO_MANIFEST_DIR");
    fs::create_dir_all(krate.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"compile_errors\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\ncancelable = {{ path = {root:?} }}\n"
    );
    fs::write(krate.join("Cargo.toml"), manifest).unwrap();
    fs::write(krate.join("src/main.rs"), PROGRAM).unwrap();
    // Use the versions that this test was built with, so that nothing is downloaded.
    fs::copy(Path::new(root).join("Cargo.lock"), krate.join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--message-format=json"])
        .current_dir(&krate)
        .env("CARGO_TARGET_DIR", krate.join("target"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "the program compiled");
    let messages: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|line| line["reason"] == "compiler-message")
        .map(|line| line["message"].clone())
        .collect();
    assert!(!messages.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    messages
}

#[test]
fn whatever_is_not_a_source() {
    let helped: BTreeSet<u64> = messages()
        .iter()
        .filter(|message| message["message"].as_str().unwrap().ends_with("is not a source"))
        .filter(|message| {
            message["rendered"].as_str().unwrap().contains("write `timeout(duration)`")
        })
        .map(|message| message["spans"][0]["line_start"].as_u64().unwrap())
        .collect();
    let wrong: BTreeSet<u64> = (1..)
        .zip(PROGRAM.lines())
        .filter(|(_, line)| line.ends_with("// WRONG"))
        .map(|(n, _)| n)
        .collect();
    assert_eq!(helped, wrong);
    assert_eq!(wrong.len(), 8);
}
