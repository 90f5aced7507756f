//! Checks how many names the root of the crate exports.

/// Returns the names that `pub use` items export, without hidden ones.
fn exported(source: &str) -> Vec<&str> {
    let (_, items) = source.split_once("\nmod sync;").expect("the modules come first");
    let mut names = Vec::new();
    for item in items.split(';') {
        if let (Some((_, path)), false) = (item.split_once("pub use "), item.contains("hidden")) {
            let (_, last) = path.rsplit_once("::").expect("a path");
            let last = path.split_once("::{").map_or(last, |(_, list)| list);
            let list = last.split(['{', '}', ',']).map(str::trim);
            names.extend(list.filter(|name| !name.is_empty()));
        }
    }
    names
}

#[test]
fn root_has_at_most_forty_names() {
    let names = exported(include_str!("../../src/lib.rs"));
    assert!(names.contains(&"Cancelable") && names.contains(&"timeout"), "{names:?}");
    assert!(names.len() <= 40, "{}: {names:?}", names.len());
}
