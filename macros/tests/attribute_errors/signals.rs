//! Signals that do not exist or cannot be caught.

use cancelable::prelude::*;

#[cancelable(signal = "SIGFOO")]
async fn unknown() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(signal = "SIGKILL")]
async fn uncatchable() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(signal = 15)]
async fn number() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(signal = [])]
async fn no_signal() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(signal = ["SIGINT", "SIGTERM", "int"])]
async fn twice() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(signal = ["SIGINT", "SIGFOO", 15])]
async fn some_wrong() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(signal = ["SIGTERM", "SIGBUS"])]
async fn fault() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
