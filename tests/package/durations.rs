//! The attribute and `parse_duration` read the same durations.

use crate::support;

#[test]
fn one_grammar() {
    let _watchdog = support::watchdog();
    let attribute = include_str!("../../macros/src/duration/grammar.rs");
    assert_eq!(include_str!("../../src/command_line/grammar.rs"), attribute);
}
