//! Forests of tokens: random programs that do everything that can be done with a token.
//!
//! The model maps tokens to their expected state. After every step it says which tokens are
//! cancelled and why, which callbacks have run or were dropped, and which waiters were woken.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;

use cancelable::source::Registration;
use cancelable::source::WaitForCancellationOwned;
use cancelable::{CancellationToken, Reason};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};

use crate::support::{self, Wakes, check_random};

/// A step. A number selects one of the existing handles, waiters or callbacks.
#[derive(Clone, Debug)]
enum Step {
    New,
    Child(usize),
    Linked(Vec<usize>),
    Clone(usize),
    DropHandle(usize),
    Cancel(usize),
    OnCancel(usize),
    DropRegistration(usize),
    Detach(usize),
    Wait(usize),
    Poll { waiter: usize, changed_waker: bool },
    DropWaiter(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let n = any::<usize>;
    let step = prop_oneof![
        1 => n().prop_map(|_| Step::New),
        4 => n().prop_map(Step::Child),
        2 => vec(n(), 0..4).prop_map(Step::Linked),
        1 => n().prop_map(Step::Clone),
        3 => n().prop_map(Step::DropHandle),
        3 => n().prop_map(Step::Cancel),
        4 => n().prop_map(Step::OnCancel),
        2 => n().prop_map(Step::DropRegistration),
        1 => n().prop_map(Step::Detach),
        4 => n().prop_map(Step::Wait),
        6 => (n(), any::<bool>())
            .prop_map(|(waiter, changed_waker)| Step::Poll { waiter, changed_waker }),
        2 => n().prop_map(Step::DropWaiter),
    ];
    vec(step, 0..80)
}

/// The expected state of a token.
#[derive(Debug, Default)]
struct Known {
    reason: Option<Reason>,
    /// The possible reasons. There is more than one only if no handle is left from which the reason can be read.
    possible: Vec<Reason>,
    /// The parents that were not cancelled when the token was made. The flag is true if the token is a `child_token` of that
    /// parent, and false if it is linked to it.
    above: Vec<(usize, bool)>,
    /// The callbacks that have not run, in order.
    callbacks: Vec<usize>,
}

/// A handle, and the number of its token.
struct Handle {
    token: CancellationToken,
    of: usize,
}

struct Waiter {
    future: Pin<Box<WaitForCancellationOwned>>,
    of: usize,
    waker: Arc<Wakes>,
    /// Whether it is registered, and with which waker.
    listed: bool,
    /// How often that waker must have been woken.
    wakes: usize,
}

#[derive(Default)]
struct Forest {
    known: BTreeMap<usize, Known>,
    tokens: usize,
    handles: Vec<Handle>,
    waiters: Vec<Waiter>,
    registrations: Vec<(usize, usize, Registration)>,
    /// What the callbacks have noted: their numbers, and the reasons that they got.
    log: Arc<Mutex<Vec<(usize, Reason)>>>,
    /// What each callback captures.
    held: Vec<Weak<()>>,
    messages: usize,
}

fn pick(choice: usize, count: usize) -> Option<usize> {
    (count > 0).then(|| choice % count)
}

fn inherited(child: bool, reason: &Reason) -> Reason {
    if child { Reason::parent(reason.clone()) } else { reason.clone() }
}

impl Forest {
    fn add(&mut self, token: CancellationToken, above: &[(usize, bool)]) {
        let mut known = Known::default();
        for &(upper, child) in above {
            match &self.known[&upper].reason {
                // The first listed parent counts.
                Some(reason) if known.reason.is_none() => {
                    known.reason = Some(inherited(child, reason));
                    known.possible = vec![inherited(child, reason)];
                }
                Some(_) => {}
                None => known.above.push((upper, child)),
            }
        }
        if known.reason.is_some() {
            // The token is cancelled from the start, so it does not register with the other parents.
            known.above.clear();
        }
        let of = self.tokens;
        self.tokens += 1;
        self.known.insert(of, known);
        self.handles.push(Handle { token, of });
    }

    /// Returns the tokens that are still reachable: through a handle, a waiter or a child.
    fn forget_the_dead(&mut self) {
        let mut alive = BTreeSet::new();
        let mut next: Vec<usize> = self.handles.iter().map(|handle| handle.of).collect();
        next.extend(self.waiters.iter().map(|waiter| waiter.of));
        while let Some(token) = next.pop() {
            if alive.insert(token) {
                next.extend(self.known[&token].above.iter().map(|(upper, _)| *upper));
            }
        }
        self.known.retain(|token, _| alive.contains(token));
    }

    /// Returns every token that a cancellation of this one reaches, itself included.
    fn reached(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([from]);
        loop {
            let before = reached.len();
            for (token, known) in &self.known {
                let below = known.above.iter().any(|(upper, _)| reached.contains(upper));
                if known.reason.is_none() && below {
                    reached.insert(*token);
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    fn cancel(&mut self, handle: usize) {
        let of = self.handles[handle].of;
        let reason = Reason::manual(format!("message {}", self.messages));
        self.messages += 1;
        let already = self.known[&of].reason.is_some();
        let logged = self.log.lock().unwrap().len();
        assert_eq!(self.handles[handle].token.cancel_with(reason.clone()), !already);
        let log = self.log.lock().unwrap()[logged..].to_vec();
        if already {
            assert_eq!(log, []);
            return;
        }

        let reached = self.reached(of);
        // The reason of each token: for the cancelled token itself, the reason that was passed to the call; for the others,
        // that of a parent. If a token is reached from two parents, either may come first. A handle of the token shows
        // which.
        let mut actual = BTreeMap::from([(of, vec![reason])]);
        while actual.len() < reached.len() {
            for token in &reached {
                let above = &self.known[token].above;
                if actual.contains_key(token) || !above.iter().any(|(u, _)| actual.contains_key(u))
                {
                    continue;
                }
                let ways = above.iter().filter(|(upper, _)| reached.contains(upper));
                let mut possible: Vec<Reason> = Vec::new();
                let mut complete = true;
                for (upper, child) in ways {
                    match actual.get(upper) {
                        Some(reasons) => {
                            possible.extend(reasons.iter().map(|r| inherited(*child, r)));
                        }
                        None => complete = false,
                    }
                }
                if complete {
                    let seen = self.handles.iter().find(|handle| handle.of == *token);
                    if let Some(seen) = seen.map(|handle| handle.token.reason().unwrap()) {
                        assert!(possible.contains(&seen), "{seen:?} is none of {possible:?}");
                        possible = vec![seen];
                    }
                    actual.insert(*token, possible);
                }
            }
        }

        let mut expected = Vec::new();
        for token in reached {
            let known = self.known.get_mut(&token).unwrap();
            let possible = &actual[&token];
            let callbacks = std::mem::take(&mut known.callbacks);
            // Callbacks of one token run in the order in which they were registered.
            let ran: Vec<_> = log.iter().filter(|(call, _)| callbacks.contains(call)).collect();
            assert_eq!(ran.iter().map(|(call, _)| *call).collect::<Vec<_>>(), callbacks);
            for (_, reason) in ran {
                assert!(possible.contains(reason), "{reason:?} is none of {possible:?}");
            }
            expected.extend(callbacks);
            known.reason = Some(possible[0].clone());
            known.possible = possible.clone();
            for waiter in self.waiters.iter_mut().filter(|w| w.of == token && w.listed) {
                waiter.listed = false;
                waiter.wakes += 1;
            }
        }
        assert_eq!(log.len(), expected.len(), "no other callback runs");
    }

    fn on_cancel(&mut self, handle: usize) {
        let Handle { token, of } = &self.handles[handle];
        let (call, holds) = (self.held.len(), Arc::new(()));
        self.held.push(Arc::downgrade(&holds));
        let log = self.log.clone();
        let registration = token.on_cancel(move |reason| {
            log.lock().unwrap().push((call, reason.clone()));
            drop(holds);
        });
        let known = self.known.get_mut(of).unwrap();
        match token.reason() {
            Some(reason) => {
                assert_eq!(self.log.lock().unwrap().last(), Some(&(call, reason)), "here and now");
            }
            None => known.callbacks.push(call),
        }
        self.registrations.push((*of, call, registration));
    }

    fn poll(&mut self, waiter: usize, changed_waker: bool) {
        let waiting = &mut self.waiters[waiter];
        if changed_waker {
            waiting.waker = Wakes::new();
            waiting.wakes = 0;
        }
        let polled = waiting.waker.poll(waiting.future.as_mut());
        match (&self.known[&waiting.of].reason, polled) {
            (None, Poll::Pending) => waiting.listed = true,
            (Some(_), Poll::Ready(reason)) => {
                assert!(self.known[&waiting.of].possible.contains(&reason));
                drop(self.waiters.swap_remove(waiter));
            }
            (reason, polled) => panic!("{polled:?}, but the model says {reason:?}"),
        }
    }

    fn step(&mut self, step: Step) {
        let handles = self.handles.len();
        match step {
            Step::New => self.add(CancellationToken::new(), &[]),
            Step::Child(n) => {
                let Some(n) = pick(n, handles) else { return };
                let Handle { token, of } = &self.handles[n];
                let (child, of) = (token.child_token(), *of);
                self.add(child, &[(of, true)]);
            }
            Step::Linked(chosen) => {
                let chosen: Vec<usize> =
                    chosen.into_iter().filter_map(|n| pick(n, handles)).collect();
                let above: Vec<_> = chosen.iter().map(|n| (self.handles[*n].of, false)).collect();
                let linked =
                    CancellationToken::linked(chosen.iter().map(|n| &self.handles[*n].token));
                self.add(linked, &above);
            }
            Step::Clone(n) => {
                let Some(n) = pick(n, handles) else { return };
                let Handle { token, of } = &self.handles[n];
                let clone = Handle { token: token.clone(), of: *of };
                self.handles.push(clone);
            }
            Step::DropHandle(n) => {
                let Some(n) = pick(n, handles) else { return };
                drop(self.handles.swap_remove(n));
                self.forget_the_dead();
            }
            Step::Cancel(n) => {
                let Some(n) = pick(n, handles) else { return };
                self.cancel(n);
            }
            Step::OnCancel(n) => {
                let Some(n) = pick(n, handles) else { return };
                self.on_cancel(n);
            }
            Step::DropRegistration(n) | Step::Detach(n) => {
                let Some(n) = pick(n, self.registrations.len()) else { return };
                let (of, call, registration) = self.registrations.swap_remove(n);
                if let Step::Detach(_) = step {
                    registration.detach();
                    return;
                }
                drop(registration);
                if let Some(known) = self.known.get_mut(&of) {
                    known.callbacks.retain(|other| *other != call);
                }
            }
            Step::Wait(n) => {
                let Some(n) = pick(n, handles) else { return };
                let Handle { token, of } = &self.handles[n];
                let future = Box::pin(token.clone().cancelled_owned());
                let waker = Wakes::new();
                self.waiters.push(Waiter { future, of: *of, waker, listed: false, wakes: 0 });
            }
            Step::Poll { waiter, changed_waker } => {
                let Some(waiter) = pick(waiter, self.waiters.len()) else { return };
                self.poll(waiter, changed_waker);
                self.forget_the_dead();
            }
            Step::DropWaiter(n) => {
                let Some(n) = pick(n, self.waiters.len()) else { return };
                let Waiter { future, waker, .. } = self.waiters.swap_remove(n);
                drop(future);
                assert_eq!(Arc::strong_count(&waker), 1, "a waker is left behind");
                self.forget_the_dead();
            }
        }
    }

    /// Asserts that everything visible from outside is as the model says.
    fn compare(&self) {
        for Handle { token, of } in &self.handles {
            let known = &self.known[of];
            assert_eq!(token.reason(), known.reason);
            assert_eq!(token.is_cancelled(), known.reason.is_some());
            let checked = token.check().map_err(|cancelled| cancelled.into_reason());
            assert_eq!(checked.err(), known.reason);
        }
        for (index, a) in self.handles.iter().enumerate() {
            for b in &self.handles[index..] {
                assert_eq!(a.token == b.token, a.of == b.of);
            }
        }
        for Waiter { waker, wakes, listed, .. } in &self.waiters {
            assert_eq!(waker.count(), *wakes);
            assert_eq!(Arc::strong_count(waker), if *listed { 2 } else { 1 });
        }
        // A callback is held exactly as long as it may still run.
        let held: BTreeSet<usize> =
            self.known.values().flat_map(|known| &known.callbacks).copied().collect();
        for (call, holds) in self.held.iter().enumerate() {
            assert_eq!(holds.strong_count() > 0, held.contains(&call), "callback {call}");
        }
        // No callback runs twice.
        let log = self.log.lock().unwrap();
        let ran: BTreeSet<usize> = log.iter().map(|(call, _)| *call).collect();
        assert_eq!(ran.len(), log.len());
    }
}

#[test]
fn random_programs() {
    let _watchdog = support::watchdog();
    check_random(500, steps(), |steps| {
        let mut forest = Forest::default();
        for step in steps {
            forest.step(step);
            forest.compare();
        }
        // When every handle is gone, nothing remains.
        forest.handles.clear();
        forest.waiters.clear();
        forest.forget_the_dead();
        forest.compare();
        assert!(forest.known.is_empty());
    });
}
