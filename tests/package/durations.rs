//! The attribute and `parse_duration` read the same durations.

use std::fs;
use std::path::Path;

use crate::support;

#[test]
fn one_grammar() {
    let _watchdog = support::watchdog();
    // The files are read at run time, because a published package does not contain the files of the other package.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(package.join(file)).unwrap();
    let attribute = read("macros/src/duration/grammar.rs");
    assert_eq!(read("src/command_line/grammar.rs"), attribute);
}
