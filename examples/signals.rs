//! Waits for a signal of the operating system, and prints which signal arrived.
//!
//! Press Ctrl-C, or send `kill -TERM` or `kill -HUP` to its process. It waits for one second. An argument sets another number
//! of milliseconds. Without a signal it prints:
//!
//! ```text
//! waiting for a signal
//! no signal: timed out after 1s
//! ```
//!
//! With a signal, the second line names the signal: `received SIGTERM (15)`, for instance. Then the program dies of that
//! signal, so that a shell sees it.

use std::env;
use std::io;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::reason::exit_like;

fn main() -> io::Result<()> {
    let limit = env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(1000);

    // This call registers the signals, so a signal that arrives before the source is polled is not lost.
    let stop =
        if cfg!(unix) { signals([Signal::Int, Signal::Term, Signal::Hup])? } else { ctrl_c()? };
    println!("waiting for a signal");

    let sources = any_of((stop, timeout(Duration::from_millis(limit))));
    let work = std::future::pending::<()>();
    match smol::block_on(work.cancelable(sources)) {
        Ok(()) => println!("done"),
        Err(cancelled) => match cancelled.reason() {
            Reason::Signal { signal } => {
                println!("received {signal}");
                exit_like(cancelled.reason());
            }
            reason => println!("no signal: {reason}"),
        },
    }
    Ok(())
}
