//! Handles Ctrl-C in the middle of saving: the file is finished first, and the lock is released.
//!
//! `save_on_ctrl_c [LIMIT [SAVING]]` takes a time limit and how long saving takes, both in
//! milliseconds. Press Ctrl-C while it saves. Without a signal it reaches the limit, and prints:
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
//! With Ctrl-C, the second to last line is `stopped: received SIGINT (2)`. It ends as shells expect: with the exit code
//! 124 after the limit, and by SIGINT after Ctrl-C.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cancelable::command_line::End;
use cancelable::prelude::*;

struct Store {
    directory: PathBuf,
    /// How long the disk takes.
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

    /// Two steps that belong together. Between them, the state is in neither place.
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
        // If it is cancelled meanwhile, the loop ends here, after the file has been written.
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
