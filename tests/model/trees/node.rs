//! The operations of a tree: how each is built, the steps of its work, and its end.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::prelude::*;

/// Where an operation runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// In the work of its parent.
    Work,
    /// In a shield in the work of its parent.
    Section,
    /// In a combinator with wakers of its own, in the work of its parent.
    Combinator,
    /// In a task of its own, as a child of its parent from the beginning.
    Task,
    /// In a task that its parent spawns.
    SpawnedTask,
    /// In a task that its parent spawns, in the scope of the parent.
    Scope,
}

impl Place {
    pub(super) fn is_own_task(self) -> bool {
        matches!(self, Place::Task | Place::SpawnedTask | Place::Scope)
    }
}

/// What an operation does with its children once its work is gone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Afterwards {
    Leaves,
    Joins,
    Cancels,
}

/// How an operation is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The number of its parent, modulo its own. The first operation has none.
    pub(super) parent: usize,
    pub(super) place: Place,
    pub(super) afterwards: Afterwards,
    /// How often its clean-up is pending.
    pub(super) clean_up: Option<usize>,
    /// In milliseconds, as is `limit`.
    pub(super) grace: Option<u64>,
    pub(super) limit: Option<u64>,
}

/// What the work of an operation does in its next poll.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    Return,
    Fail,
    Panic,
}

/// What has become of the future of an operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Seen {
    #[default]
    Nothing,
    Value,
    Failure,
    Cancelled(Reason),
    Panic,
    /// It was dropped. This was the status before the drop.
    Dropped(Status),
}

/// The error of work that fails.
#[derive(Debug)]
pub(super) enum Failure {
    Own,
    Cancelled(Cancelled),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no disk")
    }
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Failure::Cancelled(cancelled)
    }
}

/// What hooks note. Hooks must be `Send`, so this is too.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) ends: Vec<Status>,
    pub(super) lost: usize,
}

pub(super) struct Node {
    pub(super) number: usize,
    pub(super) plan: Plan,
    /// Set once the operation exists.
    pub(super) operation: OnceCell<Operation>,
    pub(super) source: CancellationToken,
    /// Whether the test has cancelled it, through its handle or its source.
    pub(super) cancelled: Cell<bool>,
    pub(super) fired: Cell<bool>,
    order: Cell<Option<Order>>,
    /// The order by which the work has ended.
    pub(super) obeyed: Cell<Option<Order>>,
    waker: RefCell<Option<Waker>>,
    pub(super) seen: RefCell<Seen>,
    pub(super) noted: Arc<Mutex<Noted>>,
    /// How often clean-up has ended.
    pub(super) cleaned: Cell<usize>,
}

impl Node {
    pub(super) fn new(number: usize, plan: &Plan) -> Self {
        Node {
            number,
            plan: Plan { parent: plan.parent % number.max(1), ..*plan },
            operation: OnceCell::new(),
            source: CancellationToken::new(),
            cancelled: Cell::default(),
            fired: Cell::default(),
            order: Cell::default(),
            obeyed: Cell::default(),
            waker: RefCell::default(),
            seen: RefCell::default(),
            noted: Arc::default(),
            cleaned: Cell::default(),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("operation {}", self.number)
    }

    pub(super) fn handle_reason(&self) -> Reason {
        Reason::from(format!("handle {}", self.number))
    }

    pub(super) fn source_reason(&self) -> Reason {
        Reason::from(format!("source {}", self.number))
    }

    /// The reason for children that the operation cancels once its work is gone.
    pub(super) fn dismissal(&self) -> Reason {
        Reason::manual("its work has ended")
    }

    /// Returns whether the operation goes on after its work: with clean-up, or with waiting for its children.
    pub(super) fn outlasts_its_work(&self) -> bool {
        self.plan.clean_up.is_some() || self.plan.afterwards != Afterwards::Leaves
    }

    pub(super) fn limit(&self) -> Option<Duration> {
        self.plan.limit.map(Duration::from_millis)
    }

    /// Gives the work an order, unless the work already has one.
    pub(super) fn order(&self, order: Order) {
        if self.order.get().is_none() {
            self.order.set(Some(order));
            let waker = self.waker.borrow_mut().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// Ready once the work has an order. It obeys the order in the same poll.
    pub(super) fn poll_order(&self, cx: &mut Context<'_>) -> Poll<Order> {
        let Some(order) = self.order.get() else {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.obeyed.set(Some(order));
        Poll::Ready(order)
    }

    pub(super) fn forget_waker(&self) {
        drop(self.waker.borrow_mut().take());
    }
}
