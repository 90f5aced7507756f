//! Finds the files below a directory.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use smol::unblock;

use crate::report::Report;

/// A file to read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The path relative to the starting directory.
    pub(crate) name: PathBuf,
}

/// Finds all files below `root`, and sorts them by the bytes of their names. Directories and files that cannot be read are
/// reported.
///
/// In a git repository, skips `.git` and the files that `.gitignore` files name, unless `all` is set.
///
/// Reads one directory at a time on the thread pool, so that a cancellation takes effect between two directories. Symbolic
/// links are never followed, so there are no loops. Only `root` itself may be a link.
pub(crate) async fn walk(root: &Path, all: bool, report: &Report) -> Vec<Found> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(name) = dirs.pop() {
        let path = root.join(&name);
        let listing = match unblock(move || Listing::of(&path, all)).await {
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
    fn of(dir: &Path, all: bool) -> io::Result<Listing> {
        let mut listing = Listing::default();
        // Skips the files that git ignores, and no others.
        let mut walk = WalkBuilder::new(dir);
        walk.standard_filters(!all).hidden(false).ignore(false).max_depth(Some(1));
        for entry in walk.build() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    // The directory cannot be read, or its remaining entries cannot.
                    let error = into_io(error);
                    if listing.is_empty() {
                        return Err(error);
                    }
                    listing.unreadable.push((dir.to_owned(), error));
                    break;
                }
            };
            let is_git = !all && entry.file_name() == ".git";
            if entry.depth() == 0 || is_git {
                continue;
            }
            let path = entry.path().to_owned();
            // If the entry is a link, this returns the metadata of the link, not of its target.
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => listing.dirs.push(path),
                Ok(metadata) if metadata.is_file() => {
                    listing.files.push((path, metadata.len()));
                }
                Ok(_link_or_special) => {}
                Err(error) => listing.unreadable.push((path, into_io(error))),
            }
        }
        Ok(listing)
    }

    fn is_empty(&self) -> bool {
        self.dirs.is_empty() && self.files.is_empty()
    }
}

/// Returns the error of the operating system that an error of the walk contains. The text of the walk's error also has the
/// path, which the report would then print twice.
fn into_io(error: ignore::Error) -> io::Error {
    let text = error.to_string();
    let error = error.into_io_error().unwrap_or_else(|| io::Error::other(text));
    let inner = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let code = inner.and_then(io::Error::raw_os_error);
    code.map(io::Error::from_raw_os_error).unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_is_gone_is_counted() {
        let report = Report::new();
        let found = smol::block_on(walk(Path::new("/no/such/directory"), false, &report));
        assert!(found.is_empty());
        assert_eq!(report.exit_code(), crate::report::TROUBLE);
    }
}
