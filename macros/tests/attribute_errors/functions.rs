//! Items that the attribute refuses.

use cancelable::prelude::*;

#[cancelable(source = never())]
fn not_async() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(source = never())]
async unsafe fn not_safe() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(source = never())]
async extern "C" fn not_of_rust() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(source = never())]
struct NotAFunction;

#[cancelable(source = never())]
const NOT_A_FUNCTION: u32 = 1;

#[cancelable(source = never())]
impl NotAFunction {
    #[cancelable(source = never())]
    fn not_async(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

trait Declares {
    #[cancelable(source = never())]
    async fn without_body(&self) -> Result<(), Cancelled>;
}

fn main() {}
