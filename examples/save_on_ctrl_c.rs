//! Handles Ctrl-C in the middle of saving a file: first the file is finished, then the lock is released.
//!
//! `save_on_ctrl_c [LIMIT [SAVING]]` takes a time limit and the time that saving takes, both in milliseconds. Press Ctrl-C
//! while it saves. Without a signal it reaches the limit, and prints:
//!
//! ```text
//! locked
//! saving 1
//! saved 1
//! unlocked
//! stopped: timed out after 100ms
//! the file says 1
//! ```
//!
//! With Ctrl-C, the second to last line is `stopped: received SIGINT (2)`. The program ends as shells expect: with the exit
//! code 124 after the limit, and by SIGINT after Ctrl-C.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cancelable::command_line::End;
use cancelable::prelude::*;

struct Store {
    directory: PathBuf,
    /// How long the disk takes to save the file.
    saving: Duration,
}

impl Store {
    fn lock(&self) -> io::Result<()> {
        std::fs::write(self.directory.join("lock"), b"")?;
        println!("locked");
        Ok(())
    }

    async fn unlock(&self) {
        match smol::fs::remove_file(self.directory.join("lock")).await {
            Ok(()) => println!("unlocked"),
            Err(error) => eprintln!("the lock stays: {error}"),
        }
    }

    /// Saves the count in two steps: removes the old file, and puts the new file in its place. After a cancellation between
    /// the two steps, the file would be missing.
    async fn save(&self, count: u64) -> io::Result<()> {
        println!("saving {count}");
        let (new, file) = (self.directory.join("count.new"), self.file());
        if count > 1 {
            smol::fs::remove_file(&file).await?;
        }
        smol::fs::write(&new, count.to_string()).await?;
        smol::Timer::after(self.saving).await;
        smol::fs::rename(&new, &file).await?;
        println!("saved {count}");
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.directory.join("count")
    }
}

async fn count(store: &Store) -> io::Result<()> {
    store.lock()?;
    for count in 1.. {
        // If a cancellation comes during `save`, the loop ends here, after the file has been saved.
        shield(store.save(count)).await?;
    }
    Ok(())
}

async fn run(directory: &Path, limit: Duration, saving: Duration) -> io::Result<()> {
    let store = Store { directory: directory.to_owned(), saving };
    let stop = any_of((ctrl_c()?, timeout(limit)));
    let counted = count(&store).try_cancelable(stop).finally(|_| store.unlock()).await;
    if let Err(error) = &counted {
        println!("stopped: {error}");
    }
    println!("the file says {}", smol::fs::read_to_string(store.file()).await?);
    counted
}

fn main() -> End {
    let mut arguments = env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let limit = Duration::from_millis(arguments.next().unwrap_or(100));
    let saving = Duration::from_millis(arguments.next().unwrap_or(400));

    let worked = tempfile::tempdir()
        .and_then(|directory| smol::block_on(run(directory.path(), limit, saving)));
    End::from(worked)
}
