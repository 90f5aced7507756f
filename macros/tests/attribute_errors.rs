//! Error messages of the attribute, and the spans they point at.
//!
//! Each file in `attribute_errors` is compiled, and the messages are compared with the `.stderr` file of
//! the same name. The files contain only mistakes that the attribute itself reports, because messages of
//! the compiler change with its version. No watchdog: the compiler takes as long as it takes.

#[test]
fn messages() {
    trybuild::TestCases::new().compile_fail("tests/attribute_errors/*.rs");
}
