//! Methods in an `impl` with `#[async_trait]`, which boxes their futures.

use std::future::pending;
use std::pin::Pin;

use async_trait::async_trait;
use cancelable::prelude::*;

use crate::support::{self, block_on};

#[async_trait]
trait Store: Send + Sync {
    async fn load(&self, key: &str) -> Result<String, Cancelled>;
    async fn save(&mut self, value: String) -> Result<usize, Cancelled>;
}

#[derive(Default)]
struct Memory {
    stop: CancellationToken,
    values: Vec<String>,
}

#[async_trait]
impl Store for Memory {
    #[cancelable(token = self.stop, name = format!("load {key}"))]
    async fn load(&self, key: &str, operation: Operation) -> Result<String, Cancelled> {
        if key == "wait" {
            pending::<()>().await;
        }
        if key == "return" {
            return Ok("early".into());
        }
        Ok(format!("{} by {}", self.values.len(), operation.name().unwrap()))
    }

    #[cancelable(token = self.stop)]
    async fn save(&mut self, value: String) -> Result<usize, Cancelled> {
        self.values.push(value);
        smol::future::yield_now().await;
        Ok(self.values.len())
    }
}

#[test]
fn body_runs() {
    let _watchdog = support::watchdog();
    let mut store: Box<dyn Store> = Box::<Memory>::default();
    block_on(async {
        assert_eq!(store.save("a".into()).await, Ok(1));
        assert_eq!(store.load("k").await.as_deref(), Ok("1 by load k"));
        assert_eq!(store.load("return").await.as_deref(), Ok("early"));
    });
}

#[test]
fn token_cancels() {
    let _watchdog = support::watchdog();
    let store = Memory::default();
    store.stop.cancel_with("closing");
    assert_eq!(block_on(store.load("wait")), Err(Cancelled::new("closing")));
}

/// A function like those that `#[async_trait]` generates, written by hand.
#[cancelable(token = stop)]
fn boxed<'a>(
    stop: &'a CancellationToken,
    number: &'a u32,
) -> Pin<Box<dyn Future<Output = Result<u32, Cancelled>> + Send + 'a>> {
    Box::pin(async move {
        if *number == 0 {
            pending::<()>().await;
        }
        Ok(*number)
    })
}

#[test]
fn boxed_by_hand() {
    let _watchdog = support::watchdog();
    let stop = CancellationToken::new();
    assert_eq!(block_on(boxed(&stop, &7)), Ok(7));
    stop.cancel();
    assert!(block_on(boxed(&stop, &0)).is_err());
}
