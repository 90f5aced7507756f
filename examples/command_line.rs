//! Does what users expect of a command-line tool: after Ctrl-C it cleans up and ends by SIGINT, so that
//! a script that called it ends too; a second Ctrl-C ends it at once, even during clean-up; after a timeout it exits
//! with 124.
//!
//! `command_line [LIMIT [CLEAN_UP]]` takes the time limit and the duration of the clean-up, both in
//! milliseconds. Without a signal it exits with 124, writes `timed out after 300ms` to stderr, and
//! prints:
//!
//! ```text
//! working
//! cleaning up
//! clean
//! ```

use std::env;
use std::io;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::reason::exit_like;

/// Stands in for removing a half-written file.
async fn clean_up(lasts: Duration) {
    println!("cleaning up");
    smol::Timer::after(lasts).await;
    println!("clean");
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let limit = Duration::from_millis(arguments.next().unwrap_or(300));
    let lasts = Duration::from_millis(arguments.next().unwrap_or(100));

    // Before the work starts, so that a failed registration is reported at once.
    let stop = termination()?.second_signal_exits();
    let worked = smol::block_on(async {
        println!("working");
        let work = std::future::pending::<()>();
        let worked = work.cancelable(any_of((stop, timeout(limit)))).await;

        // The work has been dropped by now: this is the place for clean-up.
        clean_up(lasts).await;
        worked
    });
    if let Err(cancelled) = worked {
        eprintln!("{cancelled}");
        // As `timeout` and shells expect: the code 124 after a time limit, and death by the signal after a signal.
        exit_like(cancelled.reason());
    }
    Ok(())
}
