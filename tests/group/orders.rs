//! What the members of the random tests do.

use std::fmt;
use std::task::{Context, Poll, Waker};

use cancelable::Cancelled;
use proptest::prelude::{Just, Strategy};
use proptest::prop_oneof;

/// How a member ends, once the test tells it to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Return,
    Fail,
    Panic,
}

pub(crate) fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![3 => Just(Order::Return), 1 => Just(Order::Fail), 1 => Just(Order::Panic)]
}

impl Order {
    /// Obeys the order: returns the value, fails or panics.
    pub(crate) fn obey<T>(self, value: T) -> Result<T, Failed> {
        match self {
            Order::Return => Ok(value),
            Order::Fail => Err(Failed),
            Order::Panic => panic!("out of cheese"),
        }
    }
}

/// The order for a member, and the waker of the member while it waits for the order.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    order: Option<Order>,
    waker: Option<Waker>,
}

impl Inbox {
    /// Gives an order, unless there is one. Returns the waker of the member.
    pub(crate) fn give(&mut self, order: Order) -> Option<Waker> {
        self.order.get_or_insert(order);
        self.waker.take()
    }

    pub(crate) fn order(&self) -> Option<Order> {
        self.order
    }

    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Order> {
        self.waker = Some(cx.waker().clone());
        self.order.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The error of members that fail.
#[derive(Debug)]
pub(crate) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no disk")
    }
}

impl From<Cancelled> for Failed {
    fn from(_: Cancelled) -> Self {
        Failed
    }
}
