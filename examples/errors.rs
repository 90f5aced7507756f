//! Converts `Cancelled` into an `io::Error` or into a variant of your own error type, and finds an error that was given as
//! the reason by its type.
//!
//! Prints:
//!
//! ```text
//! as an io::Error: TimedOut, timed out after 20ms
//! still in there: true
//! gave up: cancelled: no longer wanted
//! the work itself failed: the file is broken
//! the cause: 17 of 10 requests
//! ```

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use cancelable::prelude::*;

#[derive(Debug)]
enum LoadError {
    File(io::Error),
    GaveUp(Cancelled),
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        LoadError::File(error)
    }
}

/// `?` and `try_cancelable` need this conversion.
impl From<Cancelled> for LoadError {
    fn from(cancelled: Cancelled) -> Self {
        LoadError::GaveUp(cancelled)
    }
}

#[derive(Debug)]
struct TooMany {
    requests: u32,
    allowed: u32,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} requests", self.requests, self.allowed)
    }
}

impl Error for TooMany {}

/// Races work that fails with an error of another crate. The first `?` is for the race, the second for the work.
async fn load(
    read: impl Future<Output = io::Result<u32>>,
    token: &CancellationToken,
) -> Result<u32, LoadError> {
    Ok(read.cancelable(token).await??)
}

fn main() {
    smol::block_on(async {
        // `io::Error` implements `From<Cancelled>`, so the race returns one `Result` instead of two nested ones.
        let read = std::future::pending::<io::Result<u32>>();
        let error = read.try_cancelable(timeout(Duration::from_millis(20))).await.unwrap_err();
        println!("as an io::Error: {:?}, {error}", error.kind());
        println!(
            "still in there: {}",
            error.get_ref().is_some_and(|inner| inner.is::<Cancelled>())
        );

        let token = CancellationToken::new();
        token.cancel_with("no longer wanted");
        let broken = async { Err(io::Error::other("the file is broken")) };
        for outcome in
            [load(async { Ok(7) }, &token).await, load(broken, &CancellationToken::new()).await]
        {
            match outcome {
                Ok(number) => println!("loaded {number}"),
                Err(LoadError::GaveUp(cancelled)) => println!("gave up: {cancelled}"),
                Err(LoadError::File(error)) => println!("the work itself failed: {error}"),
            }
        }

        // An error used as the reason keeps its type.
        let token = CancellationToken::new();
        token.cancel_with(Reason::error(TooMany { requests: 17, allowed: 10 }));
        let cancelled = token.check().unwrap_err();
        if let Some(cause) = cancelled.reason().downcast_ref::<TooMany>() {
            println!("the cause: {cause}");
        }
    });
}
