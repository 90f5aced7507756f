//! Parameters that look like the handle but are not accepted.

use cancelable::prelude::*;

#[cancelable(timeout = "30s")]
async fn reference(operation: &Operation) -> Result<(), Cancelled> {
    operation.check()
}

#[cancelable(timeout = "30s")]
async fn unique_reference(operation: &mut cancelable::Operation) -> Result<(), Cancelled> {
    operation.check()
}

#[cancelable(timeout = "30s")]
async fn reference_to_reference<'a>(operation: &'a &'a Operation) -> Result<(), Cancelled> {
    operation.check()
}

#[cancelable(timeout = "30s")]
async fn two(operation: Operation, number: u32, other: Operation) -> Result<u32, Cancelled> {
    operation.check()?;
    other.check()?;
    Ok(number)
}

#[cancelable(timeout = "30 s")]
async fn value_and_parameters(
    a: Operation,
    _: ::cancelable::Operation,
    b: &Operation,
) -> Result<(), Cancelled> {
    a.check()?;
    b.check()
}

fn main() {}
