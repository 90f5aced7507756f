//! Output: lines, progress, errors and totals, and the exit codes.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use smol::unblock;

/// Exit code if some files could not be read, or stdout could not be written.
pub(crate) const TROUBLE: u8 = 1;
/// Exit code for wrong usage.
pub(crate) const USAGE: u8 = 2;
/// Exit code if `--max-mib` was exceeded.
pub(crate) const TOO_MUCH: u8 = 125;

/// Prints a line on stderr. Errors are ignored: there is no other place to report them.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "checksum: {line}");
}

/// Counts files and bytes, and shows the counts.
#[derive(Debug)]
pub(crate) struct Report {
    /// Hidden if stderr is not a terminal.
    bar: ProgressBar,
    files_found: AtomicU64,
    files_printed: AtomicU64,
    /// Whether lines may still be printed. The lock is held while a line is printed and counted.
    open: Mutex<bool>,
    bytes_found: AtomicU64,
    bytes_read: AtomicU64,
    unreadable: AtomicU64,
}

impl Report {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Report {
            bar,
            files_found: AtomicU64::new(0),
            files_printed: AtomicU64::new(0),
            open: Mutex::new(true),
            bytes_found: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
        }
    }

    pub(crate) fn found(&self, bytes: u64) {
        self.files_found.fetch_add(1, Ordering::Relaxed);
        self.bytes_found.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc_length(bytes);
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(bytes);
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Reports on stderr that `path` could not be read, and counts it.
    pub(crate) fn unreadable(&self, path: &Path, error: &io::Error) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
        self.bar.suspend(|| say(format_args!("{}: {error}", path.display())));
    }

    /// Prints the line of one file on stdout. A thread of the thread pool writes it, because the reader of stdout may be slow.
    pub(crate) async fn print_line(self: &Arc<Self>, hash: &str, name: &Path) -> io::Result<()> {
        let line = line(hash, name);
        let this = self.clone();
        unblock(move || {
            let write = || {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&line)?;
                stdout.flush()
            };
            let open = this.open.lock().unwrap_or_else(PoisonError::into_inner);
            if !*open {
                // The work was cancelled while this closure waited for a thread.
                return Ok(());
            }
            // The bar is on stderr. It only has to make room if stdout is the terminal too.
            if io::stdout().is_terminal() { this.bar.suspend(write) } else { write() }?;
            this.files_printed.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .await
        .map_err(|error: io::Error| io::Error::new(error.kind(), format!("stdout: {error}")))
    }

    /// Prints the last line, if the work has finished.
    pub(crate) fn print_total(&self) {
        self.bar.finish_and_clear();
        let files = self.files_printed.load(Ordering::Relaxed);
        say(format_args!("{}, {}", count(files, "file"), mib(self.bytes_read())));
        self.print_unreadable();
    }

    /// Prevents further lines. If a line is being printed, waits for it, so that it is counted. Waits only briefly, because
    /// the reader of stdout may have stopped reading.
    fn close(&self) {
        let patience = Instant::now() + Duration::from_millis(250);
        while Instant::now() < patience {
            match self.open.try_lock() {
                Ok(mut open) => {
                    *open = false;
                    return;
                }
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Prints the last lines, if the work was cancelled.
    pub(crate) fn print_partial(&self) {
        self.close();
        self.bar.finish_and_clear();
        let printed = self.files_printed.load(Ordering::Relaxed);
        let found = self.files_found.load(Ordering::Relaxed);
        let (read, size) = (self.bytes_read(), self.bytes_found.load(Ordering::Relaxed));
        say(format_args!(
            "stopped after {printed} of {} and {} of {} found so far",
            count(found, "file"),
            mib(read),
            mib(size)
        ));
        self.print_unreadable();
        say(format_args!("partial result: {} on stdout", count(printed, "finished line")));
    }

    fn print_unreadable(&self) {
        let unreadable = self.unreadable.load(Ordering::Relaxed);
        if unreadable > 0 {
            say(format_args!("{unreadable} could not be read"));
        }
    }

    /// Returns the exit code of a program whose work has finished.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.unreadable.load(Ordering::Relaxed) == 0 { 0 } else { TROUBLE }
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Formats a line as `sha256sum` does: backslashes and line breaks in the name are escaped, and the line then starts with a
/// backslash.
fn line(hash: &str, name: &Path) -> Vec<u8> {
    let name = name.as_os_str();
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(name);
    #[cfg(not(unix))]
    let text = name.to_string_lossy().replace('\\', "/");
    #[cfg(not(unix))]
    let bytes = text.as_bytes();

    let mut escaped = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => escaped.extend(b"\\\\"),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            byte => escaped.push(*byte),
        }
    }
    let mark: &[u8] = if escaped.len() == bytes.len() { b"" } else { b"\\" };
    [mark, hash.as_bytes(), b"  ", &escaped, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(line("ab", Path::new("dir/a file")), b"ab  dir/a file\n");
        #[cfg(unix)]
        {
            assert_eq!(line("ab", Path::new("a\nb\\c\rd")), b"\\ab  a\\nb\\\\c\\rd\n");
            let latin: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9");
            assert_eq!(line("ab", Path::new(latin)), b"ab  caf\xe9\n");
        }
    }
}
