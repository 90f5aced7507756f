//! Shows which hooks an operation calls, and when. One of the hooks panics. The message of the panic appears on stderr, and
//! everything else continues.
//!
//! Prints:
//!
//! ```text
//! first: starts
//! first: starts, second hook
//! first: half of it
//! first: clean-up
//! first: completed
//! first: added by a hook
//! first: added too late, and called at once
//! second: cancelled: not today
//! third: failed: the disk is full
//! fourth: dropped before it was done
//! fifth: cancelled
//! ```

use std::fmt::Display;
use std::io;

use cancelable::prelude::*;

/// Returns the name of an operation.
fn name(operation: &Operation) -> String {
    operation.name().map_or_else(|| "?".to_owned(), |name| name.to_string())
}

fn tell(operation: &Operation, what: impl Display) {
    println!("{}: {what}", name(operation));
}

/// Adds the same hooks to every operation. Of the last three hooks, exactly one is called.
fn with_hooks<F>(
    run: Cancelable<F, impl Future<Output = Reason>>,
) -> Cancelable<F, impl Future<Output = Reason>>
where
    F: Future,
{
    run.on_complete(|operation| tell(operation, operation.status()))
        .on_cancel(|operation, reason| tell(operation, reason))
        .on_error(|operation, error| tell(operation, format_args!("failed: {error}")))
}

fn main() {
    smol::block_on(async {
        let half = async {
            if let Some(operation) = Operation::current() {
                operation.report_progress("half of it");
            }
        };
        let first = half.cancelable(never()).named("first");
        let first = with_hooks(first)
            .on_start(|operation| tell(operation, "starts"))
            .on_start(|_| panic!("a hook that panics"))
            .on_start(|operation| tell(operation, "starts, second hook"))
            .on_progress(|operation, progress| tell(operation, progress))
            .on_complete(|operation| {
                operation.on_complete(|operation| tell(operation, "added by a hook"));
            })
            // Clean-up that awaits belongs here. It runs before the end hooks, such as `on_complete`.
            .finally(|_| async { println!("first: clean-up") });
        let operation = first.operation();
        let _ = first.await;
        operation.on_complete(|operation| tell(operation, "added too late, and called at once"));

        let second = with_hooks(async {}.cancelable(never()).named("second"));
        second.operation().cancel_with("not today");
        let _ = second.await;

        // With `try_cancelable`, an `Err` makes the operation fail. With `cancelable`, it would be a value like any other.
        let third = async { Err::<(), _>(io::Error::other("the disk is full")) }
            .try_cancelable(never())
            .named("third")
            .on_error(|operation, error| tell(operation, format_args!("failed: {error}")));
        let _ = third.await;

        // Dropped by its owner after its first poll.
        let fourth = with_hooks(std::future::pending::<()>().cancelable(never()).named("fourth"));
        smol::future::or(async { drop(fourth.await) }, async {}).await;

        // Dropped before its first poll: it never started, so no hook is called.
        let fifth = with_hooks(async {}.cancelable(never()).named("fifth"));
        let operation = fifth.operation();
        drop(fifth);
        tell(&operation, operation.status());
    });
}
