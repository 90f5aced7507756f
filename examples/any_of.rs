//! Races work against several sources: the source that fires first cancels the work, and you get its reason.
//!
//! Prints:
//!
//! ```text
//! the limit: timed out after 50ms
//! the user: cancelled: stop was pressed
//! both at once, the limit listed first: timed out after 0ns
//! both at once, the user listed first: cancelled: stop was pressed
//! ```

use std::time::Duration;

use cancelable::prelude::*;

/// Stands in for a server that never answers.
async fn download() -> Vec<u8> {
    std::future::pending().await
}

async fn report(what: &str, stop: impl Source) {
    match download().cancelable(stop).await {
        Ok(bytes) => println!("{what}: {} bytes", bytes.len()),
        Err(cancelled) => println!("{what}: {cancelled}"),
    }
}

fn main() {
    let user = CancellationToken::new();
    smol::block_on(async {
        report("the limit", any_of((timeout(Duration::from_millis(50)), &user))).await;

        user.cancel_with("stop was pressed");
        // For sources of this crate, `|` means the same.
        report("the user", timeout(Duration::from_secs(60)) | &user).await;

        // A timeout of zero fires at the first poll. The token has fired too, so their order decides.
        let limit = || timeout(Duration::ZERO);
        report("both at once, the limit listed first", any_of((limit(), &user))).await;
        report("both at once, the user listed first", any_of((&user, limit()))).await;
    });
}
