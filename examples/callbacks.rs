//! Shows callbacks, child tokens, linked tokens, and a guard that cancels its token when it is dropped.
//!
//! Prints:
//!
//! ```text
//! the server stops: cancelled: going down
//! one request: parent cancelled: going down
//! the other was cancelled alone before: cancelled: client left
//! either: cancelled: client left
//! left early: dropped before it was done
//! went well: not cancelled
//! ```

use cancelable::prelude::*;

fn state(token: &CancellationToken) -> String {
    token.reason().map_or_else(|| "not cancelled".to_owned(), |reason| reason.to_string())
}

/// Cancels the token unless the upload succeeds. A guard does this, so `?` and panics cancel the token too.
fn upload(token: &CancellationToken, name: &str) -> Result<(), std::num::ParseIntError> {
    let guard = token.drop_guard();
    let _size: u32 = name.parse()?;
    guard.disarm();
    Ok(())
}

fn main() {
    let server = CancellationToken::new();

    // The callback runs on the thread that cancels. Dropping the registration removes the callback.
    let registration = server.on_cancel(|reason| println!("the server stops: {reason}"));
    drop(server.on_cancel(|_| println!("never printed")));

    // Cancellation propagates down the tree, never up or sideways.
    let (first, second) = (server.child_token(), server.child_token());
    // A linked token is cancelled as soon as one of the given tokens is cancelled, with the same reason.
    let either = CancellationToken::linked([&server, &second]);

    second.cancel_with("client left");
    server.cancel_with("going down");
    println!("one request: {}", state(&first));
    println!("the other was cancelled alone before: {}", state(&second));
    println!("either: {}", state(&either));
    drop(registration);

    let (early, well) = (CancellationToken::new(), CancellationToken::new());
    if upload(&early, "no number").is_err() {
        println!("left early: {}", state(&early));
    }
    if upload(&well, "7").is_ok() {
        println!("went well: {}", state(&well));
    }
}
