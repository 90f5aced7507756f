//! Invalid keys of the operation: `name`, `registered`, `strict`, `grace`, `stalled_after`.

use cancelable::prelude::*;

#[cancelable(name = 5)]
async fn name_of_number() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(name = b"fetch")]
async fn name_of_bytes() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(name)]
async fn no_name() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(name = "first", timeout = "30s", name = "second")]
async fn name_twice() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(registered = true)]
async fn registered_is_true() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "30s", registered("here"), name = "fetch")]
async fn registered_with_parentheses() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(registered = , timeout = "30s")]
async fn registered_is_empty() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(registered timeout = "30s")]
async fn registered_without_comma() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(registered, registered)]
async fn registered_twice() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(grace)]
async fn no_grace() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(grace = "")]
async fn empty_grace() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(grace = "0s")]
async fn zero_grace() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(grace = "-5s")]
async fn negative_grace() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(grace = "5 s")]
async fn grace_with_space() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(grace = 5)]
async fn grace_of_number() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(grace = "5s", grace = other)]
async fn grace_twice() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(stalled_after)]
async fn no_stall() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(stalled_after = "")]
async fn empty_stall() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(stalled_after = "0s")]
async fn zero_stall() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(stalled_after = 10)]
async fn stall_of_number() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(stalled_after = "5s", stalled_after = other)]
async fn stall_twice() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(strict = false)]
async fn strict_is_false() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(strict, registered, strict)]
async fn strict_twice() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
