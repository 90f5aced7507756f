//! Invalid time limits and deadlines.

use cancelable::prelude::*;

#[cancelable(timeout = "")]
async fn empty() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "0s")]
async fn zero() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "-1s")]
async fn negative() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "30")]
async fn no_unit() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "30 s")]
async fn space() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "30sec")]
async fn unknown_unit() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "30s1m")]
async fn disorder() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "99999999999999999999h")]
async fn too_long() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = 30)]
async fn number() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = -1.5)]
async fn negative_number() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(deadline = "30s")]
async fn deadline_of_text() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(timeout = "30s"x)]
async fn suffix() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
