//! Turns any future into a source with `because`: here a timer and a channel of tokio.
//!
//! Prints:
//!
//! ```text
//! a timer of tokio: cancelled: the maintenance window is over
//! a channel of tokio: the other side disconnected
//! a value that says why: cancelled: no credit left
//! ```

use std::time::Duration;

use cancelable::prelude::*;
use tokio::sync::oneshot;

async fn report(what: &str, source: impl Future<Output = Reason>) {
    let work = std::future::pending::<()>();
    if let Err(cancelled) = work.cancelable(source).await {
        println!("{what}: {cancelled}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // A string becomes a `Reason::Manual` with that message.
    let window = tokio::time::sleep(Duration::from_millis(50));
    report("a timer of tokio", window.because("the maintenance window is over")).await;

    // Any other reason works too. The output of the future is dropped.
    let (client, gone) = oneshot::channel::<()>();
    drop(client);
    report("a channel of tokio", gone.because(Reason::Disconnected)).await;

    // If the output of the future says why, write an async block that returns it as a reason.
    let (accounts, refused) = oneshot::channel::<String>();
    let refused = async {
        match refused.await {
            Ok(why) => Reason::from(why),
            Err(_) => Reason::Disconnected,
        }
    };
    let _ = accounts.send("no credit left".to_owned());
    report("a value that says why", refused).await;
}
