//! Draws the pictures of `docs/pictures/` from their descriptions, and checks that the drawings are up to date.
//!
//! To draw them again after a change: `UPDATE_PICTURES=1 cargo test --test package pictures`.
//!
//! A description is a text file with one element per line; `#` starts a comment. Lengths are in pixels. Words in double
//! quotes are a text. A point is `X,Y`, or the middle of a side of a named box: `NAME.left`, `.right`, `.top`, `.bottom`,
//! with an optional shift along that side, as in `NAME.top+20`.
//!
//! ```text
//! picture WIDTH HEIGHT "what it shows"
//! box NAME X Y WIDTH HEIGHT COLOUR "first line, bold" ["further lines"..]
//! bar X Y WIDTH HEIGHT COLOUR "text"
//! arrow POINT POINT [POINT..]
//! line POINT POINT [POINT..]
//! dash POINT POINT [POINT..]
//! text X,Y start|middle|end small|bold "text"
//! ```
//!
//! Each drawing has a background of its own, so it is readable on light and dark pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Point = (f64, f64);

/// Fill and outline of each colour.
const COLOURS: [(&str, &str, &str); 6] = [
    ("grey", "#f0f2f5", "#8c959f"),
    ("blue", "#dcf0ff", "#2f81d8"),
    ("amber", "#fff3c9", "#b7860b"),
    ("green", "#dcf7e3", "#2c8a48"),
    ("red", "#ffe3e0", "#cf3a3a"),
    ("violet", "#f3e8ff", "#8250df"),
];

const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
    .bold{font-size:14px;font-weight:600}.small{font-size:12px;fill:#4b535d}\
    .line{fill:none;stroke:#57606a;stroke-width:1.5}.dash{stroke-dasharray:5 4}";

/// Splits a line into words; a text in double quotes is one word.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn number(word: &str) -> f64 {
    word.parse().unwrap_or_else(|_| panic!("`{word}` is not a number"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[derive(Default)]
struct Drawing {
    svg: String,
    /// Left, top, width and height of each named box.
    boxes: BTreeMap<String, (f64, f64, f64, f64)>,
}

impl Drawing {
    fn point(&self, word: &str) -> Point {
        if let Some((x, y)) = word.split_once(',') {
            return (number(x), number(y));
        }
        let (name, side) =
            word.split_once('.').unwrap_or_else(|| panic!("`{word}` is not a point"));
        let (x, y, width, height) =
            *self.boxes.get(name).unwrap_or_else(|| panic!("no box `{name}`"));
        let at = side.find(['+', '-']).unwrap_or(side.len());
        let shift = if at < side.len() { number(&side[at..]) } else { 0.0 };
        match &side[..at] {
            "left" => (x, y + height / 2.0 + shift),
            "right" => (x + width, y + height / 2.0 + shift),
            "top" => (x + width / 2.0 + shift, y),
            "bottom" => (x + width / 2.0 + shift, y + height),
            other => panic!("`{other}` is not a side"),
        }
    }

    fn text(&mut self, (x, y): Point, anchor: &str, class: &str, text: &str) {
        let text = escape(text);
        writeln!(
            self.svg,
            r#"<text x="{x}" y="{y}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        )
        .unwrap();
    }

    /// Draws a rectangle with its lines of text centred in it. The first line has the class `first`.
    fn rectangle(&mut self, place: &[String], colour: &str, lines: &[String], first: &str) {
        let [x, y, width, height] = [0, 1, 2, 3].map(|index| number(&place[index]));
        let (_, fill, stroke) = COLOURS
            .iter()
            .find(|(name, ..)| *name == colour)
            .unwrap_or_else(|| panic!("no colour `{colour}`"));
        writeln!(
            self.svg,
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{stroke}"/>"#
        )
        .unwrap();
        let step = 17.0;
        let mut baseline = y + height / 2.0 + 5.0 - step * (lines.len() as f64 - 1.0) / 2.0;
        for (index, line) in lines.iter().enumerate() {
            let class = if index == 0 { first } else { "small" };
            self.text((x + width / 2.0, baseline), "middle", class, line);
            baseline += step;
        }
    }

    fn line(&mut self, points: &[String], class: &str, end: &str) {
        let points: Vec<String> =
            points.iter().map(|word| self.point(word)).map(|(x, y)| format!("{x},{y}")).collect();
        writeln!(self.svg, r#"<polyline points="{}" class="{class}"{end}/>"#, points.join(" "))
            .unwrap();
    }

    fn element(&mut self, words: &[String]) {
        match words[0].as_str() {
            "picture" => {
                let (width, height, title) = (&words[1], &words[2], escape(&words[3]));
                writeln!(
                    self.svg,
                    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{title}</title>
<style>{STYLE}</style>
<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#57606a"/></marker></defs>
<rect x="0.5" y="0.5" width="{}" height="{}" rx="8" fill="#fdfdfe" stroke="#d0d7de"/>"##,
                    number(width) - 1.0,
                    number(height) - 1.0,
                )
                .unwrap();
            }
            "box" => {
                let [x, y, width, height] = [2, 3, 4, 5].map(|index| number(&words[index]));
                self.boxes.insert(words[1].clone(), (x, y, width, height));
                self.rectangle(&words[2..6], &words[6], &words[7..], "bold");
            }
            "bar" => self.rectangle(&words[1..5], &words[5], &words[6..], "small"),
            "arrow" => self.line(&words[1..], "line", r#" marker-end="url(#head)""#),
            "line" => self.line(&words[1..], "line", ""),
            "dash" => self.line(&words[1..], "line dash", ""),
            "text" => {
                let at = self.point(&words[1]);
                self.text(at, &words[2], &words[3], &words[4]);
            }
            other => panic!("no element `{other}`"),
        }
    }
}

/// Turns a description into an SVG document.
fn draw(description: &str) -> String {
    let mut drawing = Drawing::default();
    for line in description.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            drawing.element(&words(line));
        }
    }
    drawing.svg.push_str("</svg>\n");
    drawing.svg
}

/// Returns a Markdown link definition that contains the drawing itself. rustdoc needs this because it does not copy files.
fn link_definition(name: &str, svg: &str) -> String {
    let mut uri = format!("[{name}]: data:image/svg+xml,");
    for byte in svg.trim_end().bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'/'
            | b'='
            | b':'
            | b',' => {
                uri.push(char::from(byte));
            }
            _ => write!(uri, "%{byte:02X}").unwrap(),
        }
    }
    uri + "\n"
}

fn descriptions() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    found.sort();
    found
}

#[test]
fn drawings_are_up_to_date() {
    let found = descriptions();
    assert!(!found.is_empty());
    for path in found {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let svg = draw(&fs::read_to_string(&path).unwrap());
        let files = [
            (path.with_extension("uri"), link_definition(name, &svg)),
            (path.with_extension("svg"), svg),
        ];
        for (file, expected) in files {
            if env::var_os("UPDATE_PICTURES").is_some() {
                fs::write(&file, &expected).unwrap();
            }
            let found = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
            assert!(
                found == expected,
                "{} is out of date: run with UPDATE_PICTURES=1",
                file.display()
            );
        }
    }
}

#[test]
fn links_are_single_words() {
    let definition = link_definition("states", "<svg a=\"1 (2)\">\n</svg>\n");
    assert_eq!(
        definition,
        "[states]: data:image/svg+xml,%3Csvg%20a=%221%20%282%29%22%3E%0A%3C/svg%3E\n"
    );
}
