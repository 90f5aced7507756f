//! Follows the links from one page to all others, with a `TaskGroup`, and prints a line for each page. On a terminal, each page
//! that is being read also has a progress bar.
//!
//! `crawler [--keep-going] [--delay 20ms] [DIR]`: the pages are the files of `DIR`, and a small server in this program
//! serves them. Without `DIR`, the crawler writes four pages itself, and one of them has a broken link. At most three pages
//! are read at a time. The crawler prints, for instance:
//!
//! ```text
//! index.html: 2 links
//! about.html: 1 link
//! list.html: 3 links
//! one.html: 1 link
//! missing.html: 404 Not Found
//! stopped: cancelled by an error: a task of the group failed: missing.html: 404 Not Found
//! 4 pages were read
//! ```
//!
//! If a page cannot be read, the crawler cancels all other reads. With `--keep-going` it only reports that page.
//!
//! After Ctrl-C, no further reads start. Reads that have started get up to a second to finish. Then the crawler reports the
//! number of pages and dies of SIGINT. A second Ctrl-C ends it at once. Without Ctrl-C, the exit code is 0 if every page was
//! read, and 1 if a page could not be read.

mod server;

use std::collections::HashSet;
use std::env;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cancelable::command_line::{End, parse_duration};
use cancelable::group::{GroupHandle, TaskError};
use cancelable::prelude::*;
use indicatif::{MultiProgress, ProgressBar, ProgressFinish};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

/// How many pages are read at a time.
const AT_ONCE: usize = 3;

/// How long reads that have started may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(1);

/// The pages that are written if no directory is given. The link to `missing.html` is broken.
const PAGES: [(&str, &str); 4] = [
    ("index.html", r#"<a href="about.html">about</a> <a href="list.html">list</a>"#),
    ("about.html", r#"<a href="index.html">back</a>"#),
    (
        "list.html",
        r#"<a href="one.html">1</a> <a href="about.html">2</a> <a href="missing.html">3</a>"#,
    ),
    ("one.html", r#"<a href="list.html">back</a>"#),
];

type Crawl = GroupHandle<'static, (), io::Error>;

/// The state that all members of the group share.
struct Site {
    server: SocketAddr,
    /// The pages that were found.
    found: Mutex<HashSet<String>>,
    bars: MultiProgress,
}

impl Site {
    /// Adds a bar. It is removed when it is dropped, even if its member is cancelled.
    fn bar(&self, name: &str) -> ProgressBar {
        let bar = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
        let bar = self.bars.add(bar);
        bar.set_message(name.to_owned());
        bar
    }

    fn print(&self, line: impl Display) {
        self.bars.suspend(|| println!("{line}"));
    }
}

struct Arguments {
    keep_going: bool,
    delay: Duration,
    dir: Option<PathBuf>,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments { keep_going: false, delay: Duration::from_millis(20), dir: None };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--keep-going" => parsed.keep_going = true,
            "--delay" => {
                let text = arguments.next().unwrap_or_default();
                parsed.delay =
                    parse_duration(&text).map_err(|error| format!("--delay: {error}"))?;
            }
            _ => parsed.dir = Some(argument.into()),
        }
    }
    Ok(parsed)
}

/// Reads a page from the server.
async fn fetch(server: SocketAddr, name: &str, bar: &ProgressBar) -> io::Result<String> {
    let mut connection = TcpStream::connect(server).await?;
    connection.write_all(format!("GET /{name} HTTP/1.1\r\n\r\n").as_bytes()).await?;
    bar.set_message(format!("{name}: reading"));
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status =
        head.lines().next().and_then(|line| line.split_once(' ')).map(|(_, status)| status);
    match status {
        Some("200 OK") => Ok(body.to_owned()),
        status => Err(io::Error::other(format!("{name}: {}", status.unwrap_or("no answer")))),
    }
}

/// Returns the pages that a page links to.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// Adds a member that reads a page, unless the page was found before.
fn visit(crawl: &Crawl, site: &Arc<Site>, name: &str) {
    if !site.found.lock().unwrap().insert(name.to_owned()) {
        return;
    }
    let (group, site, name) = (crawl.clone(), site.clone(), name.to_owned());
    crawl.try_spawn(async move {
        let bar = site.bar(&name);
        let page = fetch(site.server, &name, &bar).await.inspect_err(|error| site.print(error))?;
        let count = links(&page).count();
        site.print(format_args!("{name}: {count} {}", if count == 1 { "link" } else { "links" }));
        links(&page).for_each(|link| visit(&group, &site, link));
        Ok(())
    });
}

async fn crawl(arguments: &Arguments, server: SocketAddr) -> io::Result<ExitCode> {
    let mut group = TaskGroup::fallible(|task| smol::spawn(task).detach());
    group = group.at_most(AT_ONCE).grace(GRACE);
    if arguments.keep_going {
        group = group.keep_going();
    }
    let (results, operation) = (group.handle(), group.operation());
    let site = Arc::new(Site { server, found: Mutex::default(), bars: MultiProgress::new() });
    visit(&results, &site, "index.html");
    let join = group.join_within(ctrl_c()?.second_signal_exits());
    eprintln!("crawling {server}");
    let (ended, interrupted) = match join.await {
        Ok(ended) => (ended, None),
        Err(cancelled) => (results.take_results(), Some(cancelled)),
    };
    let read = ended.iter().filter(|result| result.is_ok()).count();
    let failed = ended.iter().any(|result| matches!(result, Err(TaskError::Failed(_))));
    if let Some(reason) = operation.reason() {
        println!("stopped: {reason}");
    }
    println!("{read} pages were read");
    match interrupted {
        Some(cancelled) => Err(cancelled.into()),
        None if failed => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn main() -> End {
    arguments().map(run).into()
}

fn run(arguments: Arguments) -> io::Result<ExitCode> {
    let written = tempfile::tempdir()?;
    if arguments.dir.is_none() {
        for (name, page) in PAGES {
            std::fs::write(written.path().join(name), page)?;
        }
    }
    let dir: Arc<Path> = arguments.dir.as_deref().unwrap_or(written.path()).into();
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (server, delay) = (listener.local_addr()?, arguments.delay);
        let connections = TaskGroup::new(|task| smol::spawn(task).detach()).discard_results();
        let done = CancellationToken::new();
        let serving = connections.scope(&done, |group| server::serve(listener, dir, delay, group));
        let crawling = async {
            let code = crawl(&arguments, server).await;
            done.cancel();
            code
        };
        let (code, _) = futures::join!(crawling, serving);
        code
    })
}
