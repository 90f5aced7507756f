//! Hashes files with SHA-256, reading them in chunks on the thread pool.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use sha2::{Digest, Sha256};
use smol::{Timer, unblock};

use crate::report::Report;
use crate::walk::Found;

/// The size of a chunk. A cancellation does not interrupt the thread that reads a chunk.
const CHUNK: usize = 1 << 20;

/// How many files are read at once.
const AT_ONCE: usize = 4;

/// Prints one line for each file, in the order of the list. Files that cannot be read get an error message instead.
pub(crate) async fn print_all(
    files: Vec<Found>,
    pause: Duration,
    report: &Arc<Report>,
) -> io::Result<()> {
    let hashed = stream::iter(files)
        .map(async |file| {
            let hash = hash(&file.path, pause, |bytes| report.read(bytes)).await;
            (file, hash)
        })
        .buffered(AT_ONCE);
    let mut hashed = std::pin::pin!(hashed);
    while let Some((file, hash)) = hashed.next().await {
        match hash {
            Ok(hash) => report.print_line(&hash, &file.name).await?,
            Err(error) => report.unreadable(&file.path, &error),
        }
    }
    Ok(())
}

/// Returns the hash of one file, in hexadecimal. Calls `on_chunk` with the length of each chunk.
async fn hash(path: &Path, pause: Duration, on_chunk: impl Fn(u64)) -> io::Result<String> {
    let path = path.to_owned();
    let mut reading = unblock(move || Reading::open(&path)).await?;
    loop {
        // The closure takes the file to the thread pool for one chunk, and returns it.
        let (back, read) = unblock(move || {
            let read = reading.chunk();
            (reading, read)
        })
        .await;
        reading = back;
        match read? {
            0 => return Ok(format!("{:x}", reading.hash.finalize())),
            bytes => on_chunk(bytes as u64),
        }
        if !pause.is_zero() {
            Timer::after(pause).await;
        }
    }
}

/// A file being read.
struct Reading {
    file: File,
    buffer: Vec<u8>,
    hash: Sha256,
}

impl Reading {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Reading { file: File::open(path)?, buffer: Vec::new(), hash: Sha256::new() })
    }

    /// Reads and hashes the next chunk, and returns its length: 0 at the end of the file.
    fn chunk(&mut self) -> io::Result<usize> {
        self.buffer.clear();
        let read = (&self.file).take(CHUNK as u64).read_to_end(&mut self.buffer)?;
        self.hash.update(&self.buffer);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// The hash of an empty file, from the SHA-256 specification.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hashes_in_chunks() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
            let path = dir.path().join("file");
            let content = vec![7; len];
            std::fs::write(&path, &content).unwrap();
            let (chunks, bytes) = (Cell::new(0), Cell::new(0));
            let hashed = smol::block_on(hash(&path, Duration::ZERO, |read| {
                chunks.set(chunks.get() + 1);
                bytes.set(bytes.get() + read);
            }));
            assert_eq!(hashed.unwrap(), format!("{:x}", Sha256::digest(&content)));
            assert_eq!(bytes.get(), len as u64);
            assert_eq!(chunks.get(), len.div_ceil(CHUNK));
            if len == 0 {
                assert_eq!(format!("{:x}", Sha256::digest(&content)), EMPTY);
            }
        }
    }

    #[test]
    fn a_file_that_vanished_is_counted_and_not_fatal() {
        let dir = tempfile::tempdir().unwrap();
        let gone = Found { path: dir.path().join("gone"), name: "gone".into() };
        let report = Arc::new(Report::new());
        report.found(5);
        smol::block_on(print_all(vec![gone], Duration::ZERO, &report)).unwrap();
        assert_eq!(report.exit_code(), crate::report::TROUBLE);
        assert_eq!(report.bytes_read(), 0);
    }
}
