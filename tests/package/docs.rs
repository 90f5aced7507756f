//! Checks that the pages name only tests and files that exist, and that `docs/semantics.md` lists the tests of each
//! guarantee.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How wide the lists of tests in `docs/semantics.md` are, in characters.
const WIDTH: usize = 120;

/// A test function.
struct Test {
    file: String,
    /// The modules that have their body in that file.
    modules: Rc<Vec<String>>,
    name: String,
}

impl Test {
    /// Returns whether `quoted` names this test: its name, or a path such as `grace::value_wins`.
    fn is_named_by(&self, quoted: &str) -> bool {
        let is_module = |part: &str| {
            self.modules.iter().any(|module| module == part)
                || self.file.split(['/', '.']).any(|module| module == part)
        };
        let (modules, name) = quoted.rsplit_once("::").unwrap_or(("", quoted));
        name == self.name && (modules.is_empty() || modules.split("::").all(is_module))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file, or every file below a directory. Returns the paths, relative to the root, and the texts.
fn read(path: &str, extension: &str) -> Vec<(String, String)> {
    let (mut texts, mut paths) = (Vec::new(), vec![root().join(path)]);
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|found| found == extension) {
            let name = path.strip_prefix(root()).map(PathBuf::from).unwrap();
            let name = name.to_str().unwrap().replace('\\', "/");
            texts.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    texts.sort();
    texts
}

fn is_snake_case(word: &str) -> bool {
    let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(of_name)
}

/// Returns every function with `#[test]`, and every `async fn` that a macro turns into tests.
fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (file, text) in ["tests", "src", "macros/tests"].iter().flat_map(|path| read(path, "rs")) {
        let inline = |line: &str| Some(line.strip_prefix("mod ")?.strip_suffix(" {")?.to_owned());
        let modules = Rc::new(text.lines().map(str::trim).filter_map(inline).collect::<Vec<_>>());
        let mut attributes = String::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                attributes.push_str(line);
                continue;
            }
            let is_async = line.starts_with("async fn ");
            let function = line.trim_start_matches("async ").strip_prefix("fn ");
            let name = function.and_then(|rest| rest.split_once("()")).map(|(name, _)| name);
            if let Some(name) = name.filter(|_| is_async || attributes.contains("#[test]")) {
                let (file, name) = (file.clone(), name.to_owned());
                tests.push(Test { file, modules: modules.clone(), name });
            }
            attributes.clear();
        }
    }
    tests
}

/// Returns what stands in backquotes outside of code blocks.
fn quoted(text: &str) -> Vec<&str> {
    let blocks = text.split("```").step_by(2);
    blocks.flat_map(|block| block.split('`').skip(1).step_by(2)).collect()
}

/// Returns every word of the library's own code. Pages may have these words in backquotes although they are not tests.
fn words() -> BTreeSet<String> {
    let sources =
        ["src", "macros/src", "examples", "benches"].iter().flat_map(|path| read(path, "rs"));
    let manifest = read("Cargo.toml", "toml");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    sources
        .chain(manifest)
        .flat_map(|(_, text)| text.split(|c| !is_word(c)).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn semantics_names_tests_that_exist() {
    let (tests, words) = (tests(), words());
    let text = fs::read_to_string(root().join("docs/semantics.md")).unwrap();
    for said in quoted(&text) {
        let name = said.rsplit("::").next().unwrap();
        // A word without `_` is an argument, a field or a method.
        let may_be_test = said.split("::").all(is_snake_case) && name.contains('_');
        if may_be_test && !words.contains(name) {
            assert!(tests.iter().any(|test| test.is_named_by(said)), "there is no test `{said}`");
        }
    }
}

#[test]
fn ported_names_tests_that_exist() {
    let (tests, text) = (tests(), fs::read_to_string(root().join("docs/ported.md")).unwrap());
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit('|').next());
    let mut names = 0;
    for said in cells.flat_map(quoted).filter(|said| said.split("::").all(is_snake_case)) {
        assert!(tests.iter().any(|test| test.is_named_by(said)), "`{said}` is no test");
        names += 1;
    }
    assert!(names > 100, "only {names} tests are named");
}

#[test]
fn pages_name_files_that_exist() {
    for (page, text) in read("docs", "md") {
        for said in quoted(&text) {
            let is_path = ["tests/", "src/", "docs/", "examples/", "benches/", "macros/"]
                .iter()
                .any(|start| said.starts_with(start));
            if is_path && !said.contains([' ', '*', 'N']) {
                assert!(root().join(said).exists(), "{page}: `{said}` does not exist");
            }
        }
    }
}

/// A link to another page works on docs.rs only if `docs/links.txt` defines it again.
#[test]
fn links_of_pages_work_on_docs_rs() {
    let defined = |text: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
        lines.map(|(label, to)| (label.to_lowercase(), to.to_owned())).collect::<Vec<_>>()
    };
    let text = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let redirected = defined(&text("docs/links.txt")).into_iter().collect::<BTreeMap<_, _>>();
    let is_relative = |to: &str| !to.starts_with(['#', '<']) && !to.contains(':');
    let documentation = text("src/_docs.rs");
    let pages = documentation.split("include_str!(\"../").skip(1);
    let pages = pages.map(|rest| rest.split('"').next().unwrap());
    let pages = pages.filter(|page| page.starts_with("docs/") && page.ends_with(".md"));
    let mut links = 0;
    for page in pages {
        let text = text(page);
        // A picture is defined by a page of its own, which holds the picture itself.
        let pictures = |to: &str| to.ends_with(".svg");
        for (label, to) in defined(&text) {
            links += 1;
            let works = !is_relative(&to) || pictures(&to) || redirected.contains_key(&label);
            assert!(works, "{page}: docs/links.txt does not define [{label}]");
        }
        for inline in text.split("](").skip(1) {
            let to = inline.split(')').next().unwrap();
            assert!(!is_relative(to), "{page}: write the link to {to} as [text] and define it");
        }
    }
    assert!(links > 100, "only {links} links were found");
}

#[test]
fn tests_are_in_the_files_that_pages_name() {
    let tests = tests();
    for (page, text) in read("docs", "md") {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (before, after) in text.match_indices("` in `tests/").map(|(at, _)| text.split_at(at)) {
            let name = before.rsplit('`').next().unwrap();
            let file = after["` in `".len()..].split('`').next().unwrap();
            let is_there = |test: &Test| {
                test.file.starts_with(file.trim_end_matches(".rs")) && test.is_named_by(name)
            };
            assert!(tests.iter().any(is_there), "{page}: `{name}` is not in `{file}`");
        }
    }
}

/// Returns the list of tests that `docs/semantics.md` has below guarantee `number`, one item for each file.
fn tests_of_guarantee(number: usize, tests: &[Test]) -> String {
    let prefix = format!("g{number:02}_");
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for test in tests.iter().filter(|test| test.name.starts_with(&prefix)) {
        // The files of `tests/semantics` come first.
        let file = (!test.file.starts_with("tests/semantics/"), test.file.as_str());
        names.entry(file).or_default().push(format!("`{}`", test.name));
    }
    let mut list = String::new();
    for ((_, file), mut names) in names {
        names.dedup();
        let mut line = format!("* `{file}`:");
        for (place, name) in names.iter().enumerate() {
            let comma = if place + 1 < names.len() { "," } else { "" };
            if line.len() + name.len() + comma.len() >= WIDTH {
                writeln!(list, "{line}").unwrap();
                line = String::from(" ");
            }
            write!(line, " {name}{comma}").unwrap();
        }
        writeln!(list, "{line}").unwrap();
    }
    list
}

/// Below each guarantee, the page lists the tests whose names start with its number.
#[test]
fn semantics_lists_the_tests_of_each_guarantee() {
    const START: &str = "<details><summary>Tests</summary>\n\n";
    let (tests, page) = (tests(), root().join("docs/semantics.md"));
    let text = fs::read_to_string(&page).unwrap();
    let mut expected = String::new();
    for section in text.split_inclusive("\n## ") {
        let number = section.split_once(". ").and_then(|(number, _)| number.parse().ok());
        match (number, section.split_once(START)) {
            (Some(number), Some((before, rest))) => {
                let (_, after) = rest.split_once("\n</details>").unwrap();
                let list = tests_of_guarantee(number, &tests);
                write!(expected, "{before}{START}{list}\n</details>{after}").unwrap();
            }
            (Some(number), None) => panic!("guarantee {number} has no list of tests"),
            (None, _) => expected.push_str(section),
        }
    }
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(page, expected).unwrap();
    } else {
        let update = "run `UPDATE_DOCS=1 cargo test --all-features --test package docs`";
        assert!(
            text == expected,
            "the lists of tests in docs/semantics.md are out of date: {update}"
        );
    }
}
