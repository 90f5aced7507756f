//! Prints a tree of operations. The parent of an operation is the operation that polls it, unless `child_of` sets another
//! parent. A spawned task becomes part of an operation with `in_scope`.
//!
//! Prints:
//!
//! ```text
//! while it runs:
//! ingest: running
//!   index: running
//!   parse: running
//!     line 1: completed
//!     line 2: running
//!   read: completed
//!   report: running
//! once it is cancelled:
//! ingest: cancelled, cancelled: the disk is full
//!   index: cancelled, parent `ingest` cancelled: the disk is full
//!   parse: cancelled, parent `ingest` cancelled: the disk is full
//!     line 1: completed
//!     line 2: cancelled, parent `ingest` cancelled: the disk is full
//!   read: completed
//!   report: cancelled, parent `ingest` cancelled: the disk is full
//! ```

use std::sync::{Arc, Mutex};

use cancelable::operation::{OperationId, Snapshot};
use cancelable::prelude::*;
use cancelable::source::Never;
use smol::lock::Barrier;

/// Every operation that has started.
#[derive(Clone, Default)]
struct Tree(Arc<Mutex<Vec<Operation>>>);

impl Tree {
    /// Returns a start hook that adds its operation to the list.
    fn enter(&self) -> impl FnOnce(&Operation) + Send + 'static {
        let tree = self.clone();
        move |operation| {
            if let Ok(mut all) = tree.0.lock() {
                all.push(operation.clone());
            }
        }
    }

    /// Creates an operation that only its parent can cancel.
    fn run<F: Future>(&self, name: &'static str, work: F) -> Cancelable<F, Never> {
        work.cancelable(never()).named(name).on_start(self.enter())
    }

    fn print(&self) {
        let mut all: Vec<Snapshot> = match self.0.lock() {
            Ok(all) => all.iter().map(Operation::snapshot).collect(),
            Err(_panicked) => return,
        };
        all.sort_by(|a, b| a.name.cmp(&b.name));
        print_below(None, &all, 0);
    }
}

fn print_below(parent: Option<OperationId>, all: &[Snapshot], depth: usize) {
    for operation in all.iter().filter(|operation| operation.parent_id == parent) {
        let name = operation.name.as_deref().unwrap_or("?");
        print!("{:1$}{name}: {2}", "", 2 * depth, operation.status);
        match &operation.reason {
            Some(reason) => println!(", {reason}"),
            None => println!(),
        }
        print_below(Some(operation.id), all, depth + 1);
    }
}

/// Arrives at the barrier, so that `main` knows that this work has started. Never ends.
async fn wait(all_there: Arc<Barrier>) {
    all_there.wait().await;
    std::future::pending().await
}

fn main() {
    let tree = Tree::default();
    // Three operations call `wait`, and `watch` prints.
    let all_there = Arc::new(Barrier::new(4));

    smol::block_on(async {
        let stop = CancellationToken::new();
        let parse = async {
            let _ = tree.run("line 1", async {}).await;
            // An operation that is polled in this block is a child of `parse`.
            let line_2 = tree.run("line 2", wait(all_there.clone()));
            smol::future::zip(line_2, std::future::pending::<()>()).await
        };
        let ingest = async {
            let _ = tree.run("read", async {}).await;
            let parse = tree.run("parse", parse);
            smol::future::zip(parse, std::future::pending::<()>()).await
        };
        let ingest = ingest.cancelable(&stop).named("ingest").on_start(tree.enter());
        let operation = ingest.operation();

        // A spawned task is not part of any operation by itself. `in_scope` makes this task a part of `ingest`.
        let index = tree.run("index", wait(all_there.clone()));
        let index = smol::spawn(operation.in_scope(index));
        // For a single operation, it is enough to set its parent.
        let report = tree.run("report", wait(all_there.clone())).child_of(&operation);
        let report = smol::spawn(report);

        let watch = async {
            all_there.wait().await;
            println!("while it runs:");
            tree.print();
            stop.cancel_with("the disk is full");
        };
        let _ = smol::future::zip(ingest, watch).await;
        let _ = smol::future::zip(index, report).await;

        println!("once it is cancelled:");
        tree.print();
    });
}
