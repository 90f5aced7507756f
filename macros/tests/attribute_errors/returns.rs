//! Return types that cannot hold `Cancelled`.

use cancelable::prelude::*;

#[cancelable(source = never())]
async fn nothing() {}

#[cancelable(source = never())]
async fn tuple() -> (u32, u32) {
    (1, 2)
}

#[cancelable(source = never())]
async fn reference(text: &str) -> &str {
    text
}

#[cancelable(source = never())]
async fn hidden() -> impl Copy {
    1
}

#[cancelable(source = never())]
async fn option() -> Option<u32> {
    let first = [1].first().copied()?;
    Some(first)
}

#[cancelable(source = never())]
async fn option_with_path() -> std::option::Option<u32> {
    None
}

#[cancelable(source = never())]
async fn unit() -> () {}

#[cancelable(source = never())]
async fn primitive() -> u32 {
    1
}

#[cancelable(source = never())]
async fn string() -> String {
    String::new()
}

#[cancelable(source = never())]
async fn list_of_results() -> Vec<Result<u32, Cancelled>> {
    vec![Ok(1)]
}

#[cancelable(source = never())]
async fn boxed() -> Box<Result<u32, Cancelled>> {
    Box::new(Ok(1))
}

#[cancelable(source = never())]
async fn array() -> [u8; 1] {
    [1]
}

#[cancelable(source = never())]
async fn endless() -> ! {
    loop {}
}

fn main() {}
