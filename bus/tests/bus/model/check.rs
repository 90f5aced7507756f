//! What the promises allow after a history.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cancelable::ReasonKind;
use cancelable_bus::{Delivery, Recipient, RunId};

use super::{Begun, HOSTS, History, Sent};
use crate::world::{CALL, LEASE, POLL};

impl History {
    /// Ends every fault, and compares.
    pub(super) fn check(mut self) {
        // Attempts that have begun before this end before it: the longest waits for a connection, and then for an answer.
        self.world.pass(CALL * 2);
        self.is_healed.store(true, Ordering::SeqCst);
        for host in 0..HOSTS {
            self.resume(host);
        }
        // A call that was given up, a pause, and a poll.
        self.world.pass(CALL + POLL * 2);
        for at in 0..self.begun.len() {
            self.check_run(&self.begun[at]);
        }
        // Leases of crashed processes end.
        self.world.pass(LEASE);
        for at in 0..self.sent.len() {
            self.check_deliveries(at);
        }
    }

    /// Returns the number of the request that cancelled an operation.
    fn cause(run: &Begun) -> Option<usize> {
        let reason = run.work.operation.reason()?;
        if reason.kind() == ReasonKind::Dropped {
            return None;
        }
        Some(reason.message().expect("it has a message").parse().expect("it is one of ours"))
    }

    fn check_run(&self, run: &Begun) {
        let now = self.now();
        if let Some(cause) = Self::cause(run) {
            assert!(
                self.may_reach(&self.sent[cause], run, now),
                "request {cause} reached a run that it is not for"
            );
        }
        if run.is_over || run.work.operation.is_cancelled() {
            return;
        }
        for (at, sent) in self.sent.iter().enumerate() {
            assert!(!self.must_reach(sent, run), "request {at} did not reach a run");
        }
        assert!(run.begun.borrow().is_some(), "a live run has not begun");
    }

    /// Returns whether a request is allowed to cancel a run.
    fn may_reach(&self, sent: &Sent, run: &Begun, now: Instant) -> bool {
        match sent.request.recipient() {
            Recipient::Run(id) => *id == run.work.run.id(),
            Recipient::Key(_) => sent.key == run.key && run.registered <= sent.end(now),
            // The run may have been registered long before its row was written.
            _ => sent.key == run.key,
        }
    }

    /// Returns whether a request has to cancel a run that lives.
    fn must_reach(&self, sent: &Sent, run: &Begun) -> bool {
        if sent.committed().is_none() {
            return false;
        }
        let had_begun = run.begun.borrow().is_some_and(|begun| begun < sent.start);
        match sent.request.recipient() {
            Recipient::Run(id) => *id == run.work.run.id(),
            Recipient::Key(_) => sent.key == run.key && had_begun,
            _ if sent.key != run.key => false,
            _ => {
                let lifted =
                    self.unblocked.iter().filter(|unblocked| Some(unblocked.key) == sent.key);
                let lifted = lifted.map(|unblocked| unblocked.start).min();
                let end = sent.start + sent.request.lifetime();
                let in_force = run
                    .begun
                    .borrow()
                    .is_some_and(|begun| begun < end && lifted.is_none_or(|lifted| begun < lifted));
                had_begun || in_force
            }
        }
    }

    fn check_deliveries(&mut self, at: usize) {
        let sent = &self.sent[at];
        let asked = self.world.run(self.hosts[0].bus.deliveries(sent.request.id(), Duration::ZERO));
        let deliveries = match asked {
            Ok(deliveries) => deliveries,
            Err(error) => {
                assert!(sent.committed().is_none(), "request {at} was Ok, and is lost: {error}");
                return;
            }
        };
        for (id, delivery) in deliveries {
            let run = self.run(id);
            let cause = run.and_then(Self::cause);
            let operation = run.map(|run| &run.work.operation);
            match delivery {
                Delivery::Delivered { first: true } => assert_eq!(cause, Some(at)),
                Delivery::Delivered { first: false } => {
                    assert!(operation.is_some_and(|operation| operation.is_cancelled()));
                    assert_ne!(cause, Some(at), "its first receipt counts");
                }
                Delivery::AlreadyEnded => {
                    assert_ne!(cause, Some(at), "its first receipt counts");
                    assert!(operation.is_some_and(|operation| operation.status().is_final()));
                }
                Delivery::Unknown => assert!(run.is_none_or(|run| run.is_over), "{at}"),
                Delivery::Unconfirmed => panic!("request {at} is not confirmed"),
                other => panic!("{other}"),
            }
        }
    }

    fn run(&self, id: RunId) -> Option<&Begun> {
        self.begun.iter().find(|run| run.work.run.id() == id)
    }
}
