//! Does what users expect of a command-line tool. After Ctrl-C, it cleans up and ends by SIGINT, so that a script that
//! called it ends too. A second Ctrl-C ends it at once, even during the clean-up. After a timeout, it exits with 124.
//!
//! `command_line [LIMIT [CLEAN_UP]]` takes the time limit and the duration of the clean-up, both in milliseconds. Without
//! a signal it exits with 124, writes `command_line: timed out after 300ms` to stderr, and prints:
//!
//! ```text
//! working
//! cleaning up
//! clean
//! ```

use std::env;
use std::io;
use std::time::Duration;

use cancelable::command_line::{self, End};

async fn work() -> io::Result<()> {
    println!("working");
    std::future::pending().await
}

/// Stands in for removing a half-written file.
async fn clean_up(lasts: Duration) {
    println!("cleaning up");
    smol::Timer::after(lasts).await;
    println!("clean");
}

fn main() -> End {
    let mut arguments = env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let limit = Duration::from_millis(arguments.next().unwrap_or(300));
    let lasts = Duration::from_millis(arguments.next().unwrap_or(100));

    smol::block_on(async {
        let end = command_line::run(|_| work()).timeout(limit).await;
        // The work has been dropped by now: this is the place for clean-up.
        clean_up(lasts).await;
        // Returned from `main`, the `End` prints the error, and ends the process by the signal or with the exit code 124.
        end
    })
}
