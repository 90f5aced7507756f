//! Each line that says `WRONG` passes a value that is no source. The compiler must say so, and what to write instead.

use cancelable::prelude::*;
use std::time::Duration;

struct ForeignToken;

async fn work() {}

async fn duration() {
    let _ = work().cancelable(Duration::from_secs(1)).await; // WRONG
}

async fn option(token: Option<CancellationToken>) {
    let _ = work().cancelable(token).await; // WRONG
}

async fn result() {
    let _ = work().cancelable(termination()).await; // WRONG
}

async fn list(token: CancellationToken) {
    let _ = work().cancelable(vec![token]).await; // WRONG
}

async fn boxed_reference(token: &CancellationToken) {
    let _ = work().cancelable(Box::new(token)).await; // WRONG
}

async fn foreign_token() {
    let _ = work().cancelable(ForeignToken).await; // WRONG
}

async fn other_output() {
    let _ = work().cancelable(async {}).await; // WRONG
}

async fn element(token: &CancellationToken) {
    let _ = work().cancelable(any_of((token, Duration::from_secs(1)))).await; // WRONG
}

fn main() {}
