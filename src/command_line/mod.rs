//! What users expect of a command-line program: Ctrl-C, a time limit, a message and an exit code.
//!
//! [`run`] cancels the work at the first Ctrl-C or `SIGTERM`, and resolves to an [`End`]. Return the `End` from `main`. It
//! prints the error and ends the process as shells expect. [`parse_duration`] reads the value of an option such as
//! `--timeout 1m30s`.
//!
//! | the program | ends with |
//! |---|---|
//! | finished | the exit code 0, or the exit code that the work returned |
//! | failed | the message `program: error` and the exit code 1 |
//! | reached its time limit | the message and the exit code 124, like the command `timeout` |
//! | was stopped by a signal | the message, and death by that signal; the exit code 128 + n if a signal cannot end the process |
//! | got a second signal | death by that signal at once |
//!
//! # Examples
//!
//! ```no_run
//! use cancelable::command_line::{self, End};
//! use std::io;
//! use std::time::Duration;
//!
//! async fn download() -> io::Result<()> {
//!     std::future::pending().await
//! }
//!
//! fn main() -> End {
//!     command_line::run(|_| download()).timeout(Duration::from_secs(600)).block_on()
//! }
//! ```
//!
//! If the program has an executor, await the future instead of calling `block_on`:
//!
//! ```
//! use cancelable::command_line::{self, End};
//! use cancelable::prelude::*;
//!
//! async fn count(operation: Operation) -> Result<(), Cancelled> {
//!     for _file in ["a", "b"] {
//!         operation.check()?; // Stops between two files.
//!     }
//!     Ok(())
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> End {
//!     let end = command_line::run(count).await;
//!     // Clean-up that awaits goes here. A second Ctrl-C ends even this.
//!     assert!(end.error().is_none());
//!     end
//! }
//! ```

mod duration;
mod end;
mod grammar;
mod run;

pub use duration::{InvalidDuration, parse_duration};
pub use end::End;
pub use run::{Run, run};
