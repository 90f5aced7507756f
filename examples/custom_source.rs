//! Defines two sources: an async function that reads commands, and a hand-written future that fires when a budget is used up.
//!
//! Prints:
//!
//! ```text
//! a command: cancelled: the remote said stop
//! nobody left to command: the other side disconnected
//! the budget: cancelled: all 3 calls are used up
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use cancelable::prelude::*;
use futures::task::AtomicWaker;
use smol::channel::{Receiver, unbounded};

/// An async function that returns a `Reason` is a source. This function ignores unknown commands.
async fn stop_command(commands: Receiver<&'static str>) -> Reason {
    while let Ok(command) = commands.recv().await {
        if command == "stop" {
            return Reason::manual("the remote said stop");
        }
    }
    Reason::Disconnected
}

#[derive(Default)]
struct Budget {
    used: AtomicU32,
    waker: AtomicWaker,
}

impl Budget {
    fn spend(&self) {
        self.used.fetch_add(1, Ordering::Release);
        self.waker.wake();
    }
}

/// A hand-written source. Only one task can wait for it, because an `AtomicWaker` holds one waker.
struct UsedUp {
    budget: Arc<Budget>,
    calls: u32,
}

impl Future for UsedUp {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        // Register the waker first, then check. A call of `spend` between a check and a later registration would be missed.
        self.budget.waker.register(cx.waker());
        if self.budget.used.load(Ordering::Acquire) < self.calls {
            return Poll::Pending;
        }
        Poll::Ready(Reason::from(format!("all {} calls are used up", self.calls)))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    smol::block_on(async {
        let work = std::future::pending::<()>;

        let (sender, commands) = unbounded();
        sender.send("faster").await?;
        sender.send("stop").await?;
        let source = stop_command(commands.clone());
        println!("a command: {}", work().cancelable(source).await.unwrap_err());

        drop(sender);
        let source = stop_command(commands);
        println!("nobody left to command: {}", work().cancelable(source).await.unwrap_err());

        let budget = Arc::new(Budget::default());
        let source = UsedUp { budget: budget.clone(), calls: 3 };
        let calls = async {
            loop {
                budget.spend();
                smol::future::yield_now().await;
            }
        };
        let stopped: Result<(), Cancelled> = calls.cancelable(source).await;
        println!("the budget: {}", stopped.unwrap_err());
        Ok(())
    })
}
