//! Counts the lines and bytes of the files below a directory. If it is cancelled by Ctrl-C, by `SIGTERM` or by a time limit,
//! it reports how far it got.
//!
//! `pipeline [DIR] [--limit 50ms] [--pause 10ms]`: `DIR` defaults to the `src` directory of this package. `--pause` makes it
//! wait after each chunk of files, so that there is time to watch. Durations are written like `1m30s`. Progress goes to
//! stderr. If it completes, it prints, for instance:
//!
//! ```text
//! completed: 82 of 82 files, 13501 lines, 480213 bytes
//! last: wait/mod.rs, wait/slot.rs, warn.rs
//! ```
//!
//! If it is cancelled, it also lists the files that were found but not counted:
//!
//! ```text
//! cancelled (timed out after 50ms): 40 of 43 files, 6130 lines, 220117 bytes
//! not counted: registry/event.rs, registry/filter.rs, registry/inspect.rs
//! ```
//!
//! If a chunk of files is being read when the cancellation comes, these files are still counted. A second signal ends the
//! process at once. The exit code is 0 if all files were counted, 1 if a file could not be read, and 124 after the time
//! limit. After a signal, the program dies of that signal.

use std::cell::Cell;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use cancelable::command_line::{End, parse_duration};
use cancelable::prelude::*;
use cancelable::source::BoxSource;
use futures::future::join_all;
use futures::{AsyncReadExt, Stream, StreamExt, stream};
use smol::Timer;
use smol::fs::{self, File};

/// How many files are read concurrently.
const CHUNK: usize = 8;

/// The arguments.
struct Arguments {
    dir: PathBuf,
    limit: Option<Duration>,
    pause: Duration,
}

fn arguments() -> Result<Arguments, String> {
    let mut dir = None;
    let mut limit = None;
    let mut pause = Duration::ZERO;
    let mut rest = env::args_os().skip(1);
    while let Some(argument) = rest.next() {
        let mut value = || {
            let value = rest.next().and_then(|value| value.into_string().ok());
            parse_duration(&value.ok_or("a duration is missing")?)
                .map_err(|error| error.to_string())
        };
        match argument.to_str() {
            Some("--limit") => limit = Some(value()?),
            Some("--pause") => pause = value()?,
            Some(option) if option.starts_with('-') => return Err(format!("{option} is unknown")),
            _ if dir.is_some() => return Err("more than one directory".to_owned()),
            _ => dir = Some(PathBuf::from(argument)),
        }
    }
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    Ok(Arguments { dir: dir.unwrap_or_else(own), limit, pause })
}

/// Reports each path that cannot be read, and counts them.
#[derive(Default)]
struct Troubles(Cell<usize>);

impl Troubles {
    fn tell(&self, path: &Path, error: &io::Error) {
        eprintln!("{}: {error}", path.display());
        self.0.set(self.0.get() + 1);
    }
}

/// Returns the files and the directories in a directory, each sorted by name. Other entries, such as
/// symbolic links, are skipped.
async fn look_into(dir: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut files, mut dirs) = (Vec::new(), Vec::new());
    let mut entries = fs::read_dir(dir).await?;
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        let kind = entry.file_type().await?;
        if kind.is_file() {
            files.push(entry.path());
        } else if kind.is_dir() {
            dirs.push(entry.path());
        }
    }
    files.sort();
    dirs.sort();
    Ok((files, dirs))
}

/// Streams the files below a directory. Reads each directory only when the files before it have been consumed.
fn files_below(dir: &Path, troubles: &Troubles) -> impl Stream<Item = PathBuf> {
    let to_visit = vec![dir.to_owned()];
    stream::unfold(to_visit, async |mut to_visit: Vec<PathBuf>| {
        let dir = to_visit.pop()?;
        let (files, dirs) = look_into(&dir).await.unwrap_or_else(|error| {
            troubles.tell(&dir, &error);
            Default::default()
        });
        to_visit.extend(dirs.into_iter().rev());
        Some((stream::iter(files), to_visit))
    })
    .flatten()
}

/// Numbers of files, lines and bytes.
#[derive(Clone, Copy, Default)]
struct Total {
    files: usize,
    lines: usize,
    bytes: usize,
}

impl Total {
    fn add(&mut self, other: Total) {
        self.files += other.files;
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

/// Counts the lines of a file. Reads the file in pieces, so that a large file needs no more memory than a small one.
async fn count(path: &Path) -> io::Result<Total> {
    let mut file = File::open(path).await?;
    let mut piece = vec![0; 64 * 1024];
    let mut total = Total { files: 1, ..Total::default() };
    loop {
        let bytes = file.read(&mut piece).await?;
        if bytes == 0 {
            return Ok(total);
        }
        total.bytes += bytes;
        total.lines += piece[..bytes].iter().filter(|byte| **byte == b'\n').count();
    }
}

/// Formats names relative to the directory.
fn names(paths: &[PathBuf], dir: &Path) -> String {
    let name = |path: &PathBuf| path.strip_prefix(dir).unwrap_or(path).display().to_string();
    paths.iter().map(name).collect::<Vec<_>>().join(", ")
}

async fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let troubles = Troubles::default();
    let mut stops: Vec<BoxSource> = vec![Box::pin(termination()?.second_signal_exits())];
    if let Some(limit) = arguments.limit {
        stops.push(Box::pin(timeout(limit)));
    }

    let chunks = files_below(&arguments.dir, &troubles)
        .cancelable_stream(any_of(stops))
        .named("count")
        .report_every(CHUNK as u64)
        .on_progress(|_, progress| {
            eprintln!("found {} files", progress.get("items").unwrap_or("?"))
        })
        .keep_last(3)
        .chunks(CHUNK);
    // Through `partial`, the counts and the last files can be read however the stream ends.
    let partial = chunks.partial();

    let mut total = Total::default();
    let mut handled = 0;
    let mut chunks = pin!(chunks);
    while let Some(Ok(chunk)) = chunks.next().await {
        handled += chunk.len();
        let counted = join_all(chunk.iter().map(|path| count(path))).await;
        for (path, counted) in chunk.iter().zip(counted) {
            match counted {
                Ok(counted) => total.add(counted),
                Err(error) => troubles.tell(path, &error),
            }
        }
        Timer::after(arguments.pause).await;
    }

    let why = partial.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let Total { files, lines, bytes } = total;
    let found = partial.count();
    println!("{}{why}: {files} of {found} files, {lines} lines, {bytes} bytes", partial.status());
    // These are the last three files. After a cancellation, they include all files of the incomplete chunk, which the loop
    // has not counted.
    let last = partial.items();
    let in_no_chunk = usize::try_from(found).map_or(0, |found| found - handled);
    if in_no_chunk > 0 {
        println!("not counted: {}", names(&last[last.len() - in_no_chunk..], &arguments.dir));
    } else if !last.is_empty() {
        println!("last: {}", names(&last, &arguments.dir));
    }
    match partial.reason() {
        Some(reason) => Err(Cancelled::new(reason).into()),
        None if troubles.0.get() > 0 => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn main() -> End {
    arguments().map(|arguments| smol::block_on(run(&arguments))).into()
}
