//! Keys that are unknown, given twice, or have no value.

use cancelable::prelude::*;

#[cancelable(timeuot = "30s")]
async fn unknown() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout)]
async fn no_value() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout =, signal = )]
async fn empty_values() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout("30s"))]
async fn parentheses() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable("30s")]
async fn only_a_value() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "30s" token = token)]
async fn no_comma(token: CancellationToken) -> Result<(), Cancelled> {
    drop(token);
    Ok(())
}

#[cancelable(crate = cancelable, source = never(), crate = ::cancelable)]
async fn crate_twice() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(crate = "cancelable", source = never())]
async fn crate_as_text() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(first = 1, timeout = "30s", second, signal = "SIGNAL", timeout = 3)]
async fn several_at_once() {}

fn main() {}
