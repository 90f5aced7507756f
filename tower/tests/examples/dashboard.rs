//! The dashboard in Chromium, if that is installed.
//!
//! The browser prints the page once it has loaded, and nothing has happened by then. So the page
//! comes through a relay, which adds a picture that loads late, and a script that may press a button.
//! The script waits for a text on the page, and then lets the picture load.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::{env, fs, thread};

use axum::Router;
use cancelable::prelude::*;
use cancelable_tower::Dashboard;
use futures::future::{join_all, pending};
use private_harness::PROGRAM_LIMIT;

use super::http::{answer, send};
use super::service::{LONG_WORK, service, wait_for_work};

/// Presses the first job's button, and waits until its row is gone and the charts show the change.
const CANCEL_ONE: &str = r##"
  const work = [...document.querySelectorAll("#rows tr")].filter(row => row.textContent.includes("GET /work"));
  if (!pressed && work.length === 2 && work.every(row => row.querySelector("progress"))) {
    pressed = work[0].dataset.id;
    document.body.dataset.pressed = pressed;
    work[0].querySelector("button").click();
  }
  const samples = document.querySelector("#active polyline")?.getAttribute("points").split(" ").length;
  const ends = document.querySelector("#ends title").textContent;
  return pressed && work.length === 1 && samples >= 4 && ends.includes("cancelled: manual 1");
"##;

/// Waits until 500 operations are shown, also in the timeline.
const SEE_ALL: &str = r##"
  const timeline = document.querySelector("#timeline title").textContent;
  document.body.dataset.background = getComputedStyle(document.body).backgroundColor;
  return document.querySelectorAll("#rows tr").length === 500 && timeline.includes("of 500");
"##;

/// Returns what the relay adds to the page: it waits until the script `look` returns true.
fn added(look: &str) -> String {
    format!(
        r#"<img src="/late" alt=""><script>
let pressed = 0;
const look = () => {{ {look} }};
const looks = setInterval(() => {{
  if (!look()) return;
  clearInterval(looks);
  fetch("/enough");
}}, 50);
</script></body>"#
    )
}

/// Where a picture of the page is saved.
fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn browser() -> Option<PathBuf> {
    let directories: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let places =
        directories.iter().flat_map(|dir| [dir.join("chromium"), dir.join("google-chrome")]);
    places.into_iter().find(|path| path.is_file())
}

/// Returns the head of a request, changed so that the connection is closed after the answer.
fn head(from: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            return Ok(format!("{head}Connection: close\r\n\r\n"));
        }
        if !line.to_lowercase().starts_with("connection:") {
            head.push_str(&line);
        }
    }
}

/// Whether the page shows the change it waits for.
#[derive(Default)]
struct Enough(Mutex<bool>, Condvar);

fn relay(mut client: TcpStream, service: &str, added: &str, enough: &Enough) -> io::Result<()> {
    let head = head(&mut BufReader::new(client.try_clone()?))?;
    let whole = |kind: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    match head.split(' ').nth(1) {
        Some("/") => {
            let (_, page) = answer(send(service, "GET", "/"));
            let page = page.replace("</body>", added);
            client.write_all(whole("text/html; charset=utf-8", &page).as_bytes())
        }
        Some("/late") => {
            let _reached = enough.1.wait_while(enough.0.lock().unwrap(), |enough| !*enough);
            let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>"#;
            client.write_all(whole("image/svg+xml", svg).as_bytes())
        }
        Some("/enough") => {
            *enough.0.lock().unwrap() = true;
            enough.1.notify_all();
            client.write_all(whole("text/plain", "").as_bytes())
        }
        _ => {
            let mut to = TcpStream::connect(service)?;
            to.write_all(head.as_bytes())?;
            io::copy(&mut to, &mut client).map(drop)
        }
    }
}

/// Returns the address at which the changed page is served.
fn relayed(service: &str, look: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (service, added) = (service.to_owned(), added(look));
    let shared = Arc::new((service, added, Enough::default()));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let shared = shared.clone();
            thread::spawn(move || {
                let (service, added, enough) = &*shared;
                // If the browser closes the connection, this ends with an error.
                relay(client, service, added, enough)
            });
        }
    });
    address
}

/// Killed when the test ends.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the page as the browser sees it in the end. `look` are arguments of the browser.
fn dump(browser: &Path, address: &str, look: &[&str], picture: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
    ]);
    command.args(["--disable-background-networking", "--disable-component-update"]);
    command.args(["--disable-sync", "--dump-dom"]);
    command.args(look);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("--screenshot={}", picture.display()));
    command.arg(format!("http://{address}/"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut browser = Browser(command.spawn().unwrap());
    let mut stdout = browser.0.stdout.take().unwrap();
    let (sender, page) = channel();
    thread::spawn(move || {
        let mut page = String::new();
        let read = stdout.read_to_string(&mut page);
        sender.send(read.map(|_| page))
    });
    page.recv_timeout(PROGRAM_LIMIT).expect("the page does not show what it should").unwrap()
}

/// Returns the text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} in {text}")).0
}

/// Returns the browser, or says that there is none.
fn browser_or_notice() -> Option<PathBuf> {
    let browser = browser();
    if browser.is_none() {
        // This bypasses the capture of the test's output, so that a skipped test is visible.
        let _ = writeln!(io::stderr(), "no chromium is installed: the dashboard is not looked at");
    }
    browser
}

#[test]
fn shows_and_cancels_jobs() {
    let Some(browser) = browser_or_notice() else { return };
    let (_running, address) = service();
    assert_eq!(answer(send(&address, "GET", "/work?ms=1")).0, 200);
    let works = [send(&address, "GET", LONG_WORK), send(&address, "GET", LONG_WORK)];
    let ids = wait_for_work(&address, 2);

    let picture = picture("dashboard.png");
    let _ = fs::remove_file(&picture);
    let page =
        dump(&browser, &relayed(&address, CANCEL_ONE), &["--window-size=1100,900"], &picture);

    let pressed: u64 = between(&page, "data-pressed=\"", "\"").parse().unwrap();
    assert_eq!(pressed, ids[0], "the first row is the first that came");
    assert_eq!(wait_for_work(&address, 1), [ids[1]]);
    assert_eq!(between(&page, "role=\"status\">", "<"), "live");
    let rows = between(&page, "<tbody id=\"rows\">", "</tbody>");
    assert!(rows.contains(&format!("data-id=\"{}\"", ids[1])), "{rows}");
    assert!(!rows.contains(&format!("data-id=\"{pressed}\"")), "{rows}");
    assert!(rows.contains("ms=200000") && rows.contains("<span>running</span>"), "{rows}");
    assert!(rows.contains(&format!("Cancel operation {}, GET /work", ids[1])), "{rows}");
    // Without its stream the page would show nothing, so that row has no button.
    assert!(rows.contains("this page") && rows.matches("<button").count() == 1, "{rows}");
    let ends = between(&page, "<title id=\"ends-text\">", "</title>");
    assert!(ends.starts_with("completed ") && !ends.starts_with("completed 0"), "{ends}");
    let active = between(&page, "<title id=\"active-text\">", "</title>");
    assert!(active.contains(" now, 3 at most"), "{active}");
    let timeline = between(&page, "<title id=\"timeline-text\">", "</title>");
    assert!(timeline.contains("2 running"), "{timeline}");

    let picture = fs::read(picture).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{}", picture.len());
    drop(works);
}

/// Runs 500 operations: 20 parents with 24 children each. Returns the address of their dashboard.
fn five_hundred() -> String {
    let registry = Registry::with_history_limit(10);
    let dashboard = Dashboard::new(&registry);
    let (sender, address) = channel();
    thread::spawn(move || {
        smol::block_on(async move {
            let run_below = async |parent: usize| {
                let file = |file| {
                    let name = format!("file {parent}/{file}");
                    pending::<()>().cancelable(never()).named(name).registered_in(&registry)
                };
                join_all((0..24).map(file)).await
            };
            let import = |parent| {
                let name = format!("import {parent}");
                run_below(parent).cancelable(never()).named(name).registered_in(&registry)
            };
            join_all((0..20).map(import)).await
        })
    });
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap().to_string()).unwrap();
            axum::serve(listener, Router::new().fallback_service(dashboard)).await
        })
    });
    address.recv_timeout(PROGRAM_LIMIT).unwrap()
}

#[test]
fn shows_a_tree_of_five_hundred() {
    let Some(browser) = browser_or_notice() else { return };
    let address = five_hundred();
    let picture = picture("dashboard-narrow.png");
    let dark = "--blink-settings=preferredColorScheme=0";
    let look = ["--window-size=500,900", dark];
    let page = dump(&browser, &relayed(&address, SEE_ALL), &look, &picture);

    let rows = between(&page, "<tbody id=\"rows\">", "</tbody>");
    assert_eq!(rows.matches("data-depth=\"0\"").count(), 20);
    assert_eq!(rows.matches("data-depth=\"1\"").count(), 480);
    // Each row is followed by those of its children.
    let all: Vec<&str> = rows.split("<tr ").skip(1).collect();
    for chunk in all.chunks(25) {
        let parent = between(chunk[0], "import ", "</td>");
        let below = format!("file {parent}/");
        assert!(chunk[1..].iter().all(|row| row.contains(&below)), "{parent}: {chunk:?}");
        assert!(chunk[1].contains(&format!("in import {parent}")), "{}", chunk[1]);
    }
    // The timeline is drawn as wide as it is shown, so that its text stays readable.
    let width: f64 = between(&page, "id=\"timeline\" viewBox=\"0 0 ", " ").parse().unwrap();
    assert!((300.0..500.0).contains(&width), "{width}");
    assert!(page.contains("data-background=\"rgb(20, 23, 28)\""), "the page is dark");
    // This dashboard accepts no cancellation.
    assert_eq!(rows.matches("<button").count(), 0);
}
