//! Finds the files below a directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use smol::unblock;

use crate::report::Report;

/// A file to read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The path relative to the starting directory.
    pub(crate) name: PathBuf,
}

/// Finds every file below `root`, sorted by the bytes of their names. Directories and files that
/// cannot be read are reported.
///
/// Reads one directory at a time on the thread pool, so that a cancellation takes effect in between.
/// Symbolic links are never followed, so there are no loops; only `root` itself may be a link.
pub(crate) async fn walk(root: &Path, report: &Report) -> Vec<Found> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(name) = dirs.pop() {
        let path = root.join(&name);
        let listing = match unblock(move || Listing::of(&path)).await {
            Ok(listing) => listing,
            Err(error) => {
                report.unreadable(&root.join(&name), &error);
                continue;
            }
        };
        for (path, error) in &listing.unreadable {
            report.unreadable(path, error);
        }
        dirs.extend(listing.dirs.iter().filter_map(|dir| below(root, dir)));
        for (path, len) in listing.files {
            if let Some(name) = below(root, &path) {
                report.found(len);
                found.push(Found { path, name });
            }
        }
    }
    found.sort_by(|a, b| a.name.as_os_str().cmp(b.name.as_os_str()));
    found
}

fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    path.strip_prefix(root).ok().map(Path::to_owned)
}

/// The contents of one directory.
#[derive(Debug, Default)]
struct Listing {
    dirs: Vec<PathBuf>,
    files: Vec<(PathBuf, u64)>,
    unreadable: Vec<(PathBuf, io::Error)>,
}

impl Listing {
    fn of(dir: &Path) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(dir)? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    // An entry that cannot be read is skipped.
                    listing.unreadable.push((dir.to_owned(), error));
                    break;
                }
            };
            // The entry's own metadata: this does not follow a link.
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => listing.dirs.push(entry.path()),
                Ok(metadata) if metadata.is_file() => {
                    listing.files.push((entry.path(), metadata.len()));
                }
                Ok(_link_or_special) => {}
                Err(error) => listing.unreadable.push((entry.path(), error)),
            }
        }
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_is_gone_is_counted() {
        let report = Report::new();
        let found = smol::block_on(walk(Path::new("/no/such/directory"), &report));
        assert!(found.is_empty());
        assert_eq!(report.exit_code(), crate::report::TROUBLE);
    }
}
