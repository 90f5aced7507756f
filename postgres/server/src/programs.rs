//! PostgreSQL's programs: where they are, how they are installed, and which user runs them.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The script that installs the programs.
const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install");
/// Where Debian puts a directory for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

#[derive(Debug)]
pub(crate) struct Programs {
    directory: PathBuf,
    /// The ordinary user that runs the programs if this process is root. PostgreSQL refuses to run as root.
    user: Option<User>,
}

#[derive(Clone, Copy, Debug)]
struct User {
    id: u32,
    group: u32,
}

impl Programs {
    /// Finds the programs, and installs them first if they are missing and this process may.
    pub(crate) fn find() -> io::Result<Programs> {
        let directory = match directory() {
            Some(directory) => directory,
            None => {
                // The script prints one line that says what to do.
                let installed = Command::new(INSTALL).status()?.success();
                directory().filter(|_| installed).ok_or_else(missing)?
            }
        };
        let user = if number("-u", None) == Some(0) {
            let user = ["postgres", "nobody"].into_iter().find_map(User::named);
            Some(user.ok_or_else(|| io::Error::other("there is no user to run PostgreSQL as"))?)
        } else {
            None
        };
        Ok(Programs { directory, user })
    }

    /// Returns a command that runs a program as the ordinary user.
    pub(crate) fn command(&self, program: &str) -> Command {
        let program = self.directory.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some(User { id, group }) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={id}"));
                command.arg(format!("--regid={group}"));
                command.arg("--clear-groups").arg(program);
                command
            }
        };
        command.env("LC_ALL", "C").current_dir("/");
        command
    }

    /// Gives a file or directory to the ordinary user.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        match self.user {
            Some(user) => chown(path, Some(user.id), Some(user.group)),
            None => Ok(()),
        }
    }
}

impl User {
    fn named(name: &str) -> Option<User> {
        Some(User { id: number("-u", Some(name))?, group: number("-g", Some(name))? })
    }
}

fn missing() -> io::Error {
    io::Error::other(format!(
        "PostgreSQL's programs are missing: run {INSTALL} as root, or put initdb and postgres into PATH"
    ))
}

/// Returns the directory of the newest version, or the one in `PATH`.
fn directory() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/initdb").exists())
        .max_by_key(|version| version.file_name().to_str().and_then(|v| v.parse::<u32>().ok()))
        .map(|version| version.path().join("bin"));
    newest.or_else(|| {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).find(|directory| directory.join("initdb").exists())
    })
}

/// Asks the program `id` for a number.
fn number(what: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(what).args(user).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
