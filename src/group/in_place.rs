//! `InPlace`: the members of a group that are polled inside the future of the group, not as tasks of an executor.
//!
//! 1. New members wait in `incoming` until the future of the group is polled. Adding a member wakes that future.
//! 2. Members own the group, and the group owns its members through `InPlace`. To break this cycle, the group clears its
//!    `InPlace` when it is dropped. After that, no more members are accepted.
//! 3. Members are polled and dropped with no lock held.
//! 4. If members keep adding members that end at once, one poll could go on forever. So a poll ends after [`ROUNDS`],
//!    and wakes the group.

use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::launcher::Task;
use crate::panic::{discard, wake};
use crate::sync::Mutex;
use crate::wait::WakerSlot;

/// How often one poll of the group looks for members that were added meanwhile (4).
const ROUNDS: usize = 32;

pub(super) struct InPlace<'env> {
    /// `None` once the group is gone.
    incoming: Mutex<Option<Vec<Task<'env>>>>,
    /// `None` while the members are being polled.
    members: Mutex<Option<FuturesUnordered<Task<'env>>>>,
    /// The waker of the future of the group.
    waker: WakerSlot,
}

impl<'env> InPlace<'env> {
    pub(super) fn new() -> Self {
        InPlace {
            incoming: Mutex::new(Some(Vec::new())),
            members: Mutex::default(),
            waker: WakerSlot::default(),
        }
    }

    /// Adds a member, which the next poll of the group starts.
    pub(super) fn add(&self, task: Task<'env>) {
        let mut incoming = self.incoming.lock();
        match &mut *incoming {
            Some(tasks) => {
                tasks.push(task);
                drop(incoming);
                self.waker.wake();
            }
            None => {
                drop(incoming);
                discard(task);
            }
        }
    }

    /// Polls the members that were woken, and members that are added meanwhile.
    pub(super) fn poll(&self, cx: &mut Context<'_>) {
        self.waker.register(cx.waker());
        let mut members = self.members.lock().take().unwrap_or_default();
        let is_done = (0..ROUNDS).any(|_| !self.poll_round(&mut members, cx));
        *self.members.lock() = Some(members);
        if !is_done {
            wake(cx.waker().clone());
        }
    }

    /// Starts the members that were added, and polls those that were woken. Returns whether there may be more to do.
    fn poll_round(&self, members: &mut FuturesUnordered<Task<'env>>, cx: &mut Context<'_>) -> bool {
        let added = self.incoming.lock().as_mut().map(std::mem::take).unwrap_or_default();
        let mut again = !added.is_empty();
        members.extend(added);
        while let Poll::Ready(Some(())) = members.poll_next_unpin(cx) {
            again = true;
        }
        again
    }

    /// Drops all members, and accepts no more (2).
    pub(super) fn clear(&self) {
        let incoming = self.incoming.lock().take();
        let members = self.members.lock().take();
        incoming.into_iter().flatten().for_each(discard);
        members.into_iter().flatten().for_each(discard);
        self.waker.clear();
    }
}
