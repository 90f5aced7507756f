//! `Table`: a table that a program adds to its dashboard, on a page of its own.

use std::fmt::Write;
use std::sync::Arc;

use cancelable::Text;

/// The main page. The pages of tables share its style.
const MAIN_PAGE: &str = include_str!("page.html");

/// How often an open page reloads, in seconds.
const RELOAD: u32 = 1;

/// A table that a [`Dashboard`](super::Dashboard) shows, such as a table of the processes of a fleet.
///
/// ```
/// use cancelable_tower::Table;
///
/// let table = Table::new(["Host", "Runs"]).row(["worker-7", "2500"]).row(["worker-8", "2498"]);
/// assert_eq!(table.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Text>,
    rows: Vec<Vec<Text>>,
}

impl Table {
    /// Creates a table without rows. `columns` are the headings of its columns.
    pub fn new<T: Into<Text>>(columns: impl IntoIterator<Item = T>) -> Self {
        Table { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row. If the row has too few cells, the last columns are empty. Cells beyond the last column are left out.
    #[must_use]
    pub fn row<T: Into<Text>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        let mut cells: Vec<Text> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.columns.len(), Text::default());
        self.rows.push(cells);
        self
    }

    /// Returns how many rows the table has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A table, and the name of its page.
#[derive(Clone)]
pub(super) struct NamedTable {
    pub(super) name: Text,
    make: Arc<dyn Fn() -> Table + Send + Sync>,
}

impl NamedTable {
    pub(super) fn new(name: Text, make: impl Fn() -> Table + Send + Sync + 'static) -> Self {
        NamedTable { name, make: Arc::new(make) }
    }

    /// Returns the page with the table as it is now.
    pub(super) fn page(&self) -> String {
        let table = (self.make)();
        let name = escaped(&self.name);
        let style =
            MAIN_PAGE.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
        let style = style.map_or("", |(style, _)| style);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"refresh\" content=\"{RELOAD}\">\n<title>{name}</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<style>{style}</style>\n</head>\n<body>\n<main>\n\
             <header><h1 id=\"name\">{name}</h1> <a href=\"../\">Operations</a></header>\n\
             <section class=\"wide\" tabindex=\"0\" aria-labelledby=\"name\">\n\
             <table aria-labelledby=\"name\">\n<thead><tr>"
        );
        for (at, column) in table.columns.iter().enumerate() {
            let class = class(table.rows.iter().map(|row| &row[at]));
            _ = write!(page, "<th scope=\"col\"{class}>{}</th>", escaped(column));
        }
        page.push_str("</tr></thead>\n<tbody>\n");
        for row in &table.rows {
            page.push_str("<tr>");
            for cell in row {
                _ = write!(page, "<td{}>{}</td>", class([cell]), escaped(cell));
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody>\n</table>\n");
        if table.is_empty() {
            page.push_str("<p class=\"quiet\">No rows</p>\n");
        }
        page.push_str("</section>\n</main>\n</body>\n</html>\n");
        page
    }
}

/// Returns the attribute that aligns cells to the right if all of them are numbers, and no attribute otherwise.
fn class<'a>(cells: impl IntoIterator<Item = &'a Text>) -> &'static str {
    let mut cells = cells.into_iter().peekable();
    let has_cells = cells.peek().is_some();
    match has_cells && cells.all(|cell| cell.parse::<f64>().is_ok()) {
        true => " class=\"number\"",
        false => "",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
