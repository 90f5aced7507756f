//! The promises of README.md, by number.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cancelable::prelude::*;
use cancelable_bus::memory::{Call, Fault};
use cancelable_bus::{Delivery, Error, Memory, Request, RequestId, RunId, Scope, Ticket};

use crate::world::{CALL, Host, LEASE, POLL, SECOND, Work, World, key};

/// A connection on which every call of one kind has a fault.
fn faulty(world: &World, broken: Call, fault: Fault) -> Memory {
    let decide = move |call| if call == broken { fault } else { Fault::None };
    world.store.connection().with_faults(decide)
}

/// A switch that makes every call of a connection fail.
#[derive(Clone, Default)]
struct Outage(Arc<AtomicUsize>);

impl Outage {
    fn connection(&self, world: &World) -> Memory {
        let outage = self.0.clone();
        let decide = move |_| match outage.load(Ordering::SeqCst) {
            0 => Fault::None,
            1 => Fault::Before,
            _ => Fault::Silent,
        };
        world.store.connection().with_faults(decide)
    }

    /// Makes every call fail.
    fn fail(&self) {
        self.0.store(1, Ordering::SeqCst);
    }

    /// Swallows every answer, like a half-open connection.
    fn swallow(&self) {
        self.0.store(2, Ordering::SeqCst);
    }

    fn end(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

fn stop(world: &mut World, asker: &Host, run: RunId) -> RequestId {
    world.run(asker.bus.cancel(run, "stop")).unwrap()
}

fn ask(world: &mut World, asker: &Host, request: RequestId) -> Delivery {
    world.run(asker.bus.delivery(request, Duration::ZERO)).unwrap()
}

fn reason(work: &Work) -> Option<String> {
    work.operation.reason().map(|reason| reason.to_string())
}

const STOPPED: Option<&str> = Some("cancelled: stop");
const FIRST: Delivery = Delivery::Delivered { first: true };
const LATER: Delivery = Delivery::Delivered { first: false };

#[test]
fn each_promise_has_tests() {
    let readme = include_str!("../../README.md");
    let tests = include_str!("promises.rs");
    let promised = (1..).take_while(|n| readme.contains(&format!("\n{n}. **"))).count();
    let tested = (1..).take_while(|n| tests.contains(&format!("\nmod promise_{n} {{"))).count();
    assert_eq!((promised, tested), (14, 14));
}

mod promise_1 {
    use super::*;

    #[test]
    fn asker_crashes_after_the_commit() {
        let mut world = World::new();
        let outage = Outage::default();
        let worker = outage.connection(&world);
        let worker = world.host_with(worker, |builder| builder);
        let work = world.work(&worker, key("k"));
        outage.fail();
        let asker = world.host();
        stop(&mut world, &asker, work.run.id());
        world.kill(asker.driver);
        drop(asker);
        world.pass(Duration::from_secs(600));
        assert_eq!(reason(&work), None);
        outage.end();
        world.pass(POLL + CALL);
        assert_eq!(reason(&work).as_deref(), STOPPED);
    }

    #[test]
    fn answer_of_the_commit_is_lost() {
        let mut world = World::new();
        let worker = world.host();
        let work = world.work(&worker, key("k"));
        let asker = faulty(&world, Call::Request, Fault::After);
        let asker = world.host_with(asker, |builder| builder);
        let sent = world.run(asker.bus.cancel(work.run.id(), "stop"));
        assert!(matches!(sent, Err(Error::Store(_))), "{sent:?}");
        assert_eq!(reason(&work).as_deref(), STOPPED);
    }

    #[test]
    fn nothing_is_ok_before_the_commit() {
        let mut world = World::new();
        let worker = world.host();
        let work = world.work(&worker, key("k"));
        let asker = faulty(&world, Call::Request, Fault::Before);
        let asker = world.host_with(asker, |builder| builder);
        let sent = world.run(asker.bus.cancel(work.run.id(), "stop"));
        assert!(matches!(sent, Err(Error::Store(_))), "{sent:?}");
        world.pass(POLL * 10);
        assert_eq!(reason(&work), None);
    }
}

mod promise_2 {
    use super::*;

    #[test]
    fn hint_wakes_the_worker_at_once() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let work = world.work(&worker, key("k"));
        world.pass(SECOND / 2);
        let before = world.time.elapsed();
        stop(&mut world, &asker, work.run.id());
        assert_eq!(reason(&work).as_deref(), STOPPED);
        assert_eq!(world.time.elapsed(), before);
    }

    #[test]
    fn every_hint_is_lost() {
        for fault in [Fault::Before, Fault::Silent] {
            let mut world = World::new();
            let worker = faulty(&world, Call::Hint, fault);
            let worker = world.host_with(worker, |builder| builder);
            let asker = world.host();
            let work = world.work(&worker, key("k"));
            world.pass(SECOND / 2);
            stop(&mut world, &asker, work.run.id());
            assert_eq!(reason(&work), None);
            world.pass(POLL);
            assert_eq!(reason(&work).as_deref(), STOPPED);
        }
    }

    #[test]
    fn connection_breaks_and_comes_back() {
        let mut world = World::new();
        let outage = Outage::default();
        let worker = outage.connection(&world);
        let worker = world.host_with(worker, |builder| builder);
        let asker = world.host();
        let work = world.work(&worker, key("k"));
        outage.fail();
        world.pass(Duration::from_secs(60));
        let request = stop(&mut world, &asker, work.run.id());
        outage.end();
        // The pause between two attempts is at most as long as a poll interval.
        world.pass(POLL);
        assert_eq!(reason(&work).as_deref(), STOPPED);
        assert_eq!(ask(&mut world, &asker, request), FIRST);
    }

    #[test]
    fn silent_connection_is_given_up() {
        let mut world = World::new();
        let outage = Outage::default();
        let worker = outage.connection(&world);
        let worker = world.host_with(worker, |builder| builder);
        let asker = world.host();
        let work = world.work(&worker, key("k"));
        outage.swallow();
        world.pass(POLL + CALL);
        let health = worker.bus.health();
        assert!(!health.connected);
        assert_eq!(health.error.as_deref(), Some("no answer of the store within 2s"));
        stop(&mut world, &asker, work.run.id());
        outage.end();
        world.pass(POLL + CALL);
        assert_eq!(reason(&work).as_deref(), STOPPED);
        assert_eq!(worker.bus.health().error, None);
    }
}

mod promise_3 {
    use super::*;

    #[test]
    fn request_comes_before_the_run() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let ticket = Ticket::new();
        let request = stop(&mut world, &asker, ticket.run());
        assert_eq!(ask(&mut world, &asker, request), Delivery::Unknown);
        world.pass(Duration::from_secs(600));
        let work = world.work(&worker, ticket);
        assert_eq!(reason(&work).as_deref(), STOPPED);
        assert_eq!(ask(&mut world, &asker, request), FIRST);
    }

    #[test]
    fn run_begins_after_the_lifetime() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let ticket = Ticket::new();
        let request = Request::run(ticket.run(), "stop").keep_for(SECOND);
        world.run(asker.bus.send(&request)).unwrap();
        world.pass(SECOND * 2);
        let work = world.work(&worker, ticket);
        world.pass(POLL);
        assert_eq!(reason(&work), None);
        assert_eq!(ask(&mut world, &asker, request.id()), Delivery::Unknown);
    }

    /// The request is committed between each two calls that begin the run.
    #[test]
    fn request_comes_while_the_run_begins() {
        for (call, late) in [(Call::Begin, 1), (Call::Poll, 1), (Call::Poll, 2), (Call::Finish, 1)]
        {
            let mut world = World::new();
            let mut calls = 0;
            let connection = world.store.connection().with_faults(move |made| {
                calls += usize::from(made == call);
                if made == call && calls == late { Fault::Late(SECOND) } else { Fault::None }
            });
            let worker = world.host_with(connection, |builder| builder);
            let asker = world.host();
            let work = world.work(&worker, key("k"));
            world.pass(SECOND / 2);
            stop(&mut world, &asker, work.run.id());
            world.pass(POLL + CALL);
            assert_eq!(reason(&work).as_deref(), STOPPED, "{call:?} {late}");
        }
    }

    #[test]
    fn begun_run_does_no_work_if_it_was_cancelled_before() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let ticket = Ticket::new();
        stop(&mut world, &asker, ticket.run());
        let polled = Rc::new(RefCell::new(false));
        let note = polled.clone();
        let work = async move { *note.borrow_mut() = true }.cancelable(never());
        let run = worker.bus.register(&work.operation(), ticket);
        let ended = world.run(async {
            assert!(run.begun().await);
            work.await
        });
        assert_eq!(ended.unwrap_err().to_string(), "cancelled: stop");
        assert!(!*polled.borrow());
    }
}

mod promise_4 {
    use super::*;

    #[test]
    fn other_runs_keys_and_scopes_are_not_touched() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let connection = world.store.connection();
        let elsewhere =
            world.host_with(connection, |builder| builder.scope(Scope::new("other").unwrap()));
        let aim = world.work(&worker, key("a"));
        let others = [
            world.work(&worker, key("b")),
            world.work(&worker, Ticket::new()),
            world.work(&elsewhere, key("a")),
        ];
        world.run(asker.bus.cancel_key(key("a"), "stop")).unwrap();
        // A request from another scope, although it names the run.
        stop(&mut world, &elsewhere, others[0].run.id());
        world.pass(POLL * 3);
        assert_eq!(reason(&aim).as_deref(), STOPPED);
        for other in &others {
            assert_eq!(reason(other), None);
        }
    }

    #[test]
    fn next_run_with_the_same_key_is_not_touched() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let first = world.work(&worker, key("k"));
        let request = world.run(asker.bus.cancel_key(key("k"), "stop")).unwrap();
        assert_eq!(reason(&first).as_deref(), STOPPED);
        let second = world.work(&worker, key("k"));
        world.pass(POLL * 3);
        assert_eq!(reason(&second), None);
        let deliveries = world.run(asker.bus.deliveries(request, SECOND)).unwrap();
        assert_eq!(deliveries, [(first.run.id(), FIRST)]);
    }

    #[test]
    fn key_without_runs_reaches_nothing() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let request = world.run(asker.bus.cancel_key(key("k"), "stop")).unwrap();
        assert_eq!(world.run(asker.bus.deliveries(request, SECOND)).unwrap(), []);
        let work = world.work(&worker, key("k"));
        world.pass(POLL * 3);
        assert_eq!(reason(&work), None);
    }

    #[test]
    fn identifier_of_another_process_is_refused() {
        let mut world = World::new();
        let (one, two) = (world.host(), world.host());
        let ticket = Ticket::new();
        let first = world.work(&one, ticket.clone());
        let second = world.work(&two, ticket.clone());
        let same = world.work(&one, ticket);
        world.pass(POLL);
        assert_eq!(reason(&first), None);
        let refused = "cancelled: another process has begun a run with the same identifier";
        assert_eq!(reason(&second).as_deref(), Some(refused));
        let refused = "cancelled: a run with the same identifier is live in this process";
        assert_eq!(reason(&same).as_deref(), Some(refused));
        assert!(!world.run(second.run.begun()) && !world.run(same.run.begun()));
        assert_eq!(one.bus.health().runs, 1);
        // The end of the refused run is not the end of the first run.
        world.kill(same.task);
        assert_eq!(one.bus.health().runs, 1);
    }
}

mod promise_5 {
    use super::*;

    /// Counts the cancellations of an operation.
    fn cancellations(work: &Work) -> Arc<AtomicUsize> {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let token = work.operation.token();
        token.on_cancel(move |_| _ = counter.fetch_add(1, Ordering::SeqCst)).detach();
        count
    }

    #[test]
    fn calls_and_hints_are_doubled_or_lose_their_answers() {
        let calls = [Call::Connect, Call::Poll, Call::Begin, Call::Finish, Call::Hint];
        for call in calls {
            for fault in [Fault::Twice, Fault::After] {
                let mut world = World::new();
                // Fails twice, so that the driver repeats it.
                let mut left = 2;
                let connection = world.store.connection().with_faults(move |made| {
                    if made != call || left == 0 {
                        return Fault::None;
                    }
                    left -= 1;
                    fault
                });
                let worker = world.host_with(connection, |builder| builder);
                let asker = world.host();
                let work = world.work(&worker, key("k"));
                let count = cancellations(&work);
                world.pass(POLL * 3);
                let request = stop(&mut world, &asker, work.run.id());
                world.pass(POLL * 3);
                assert_eq!(count.load(Ordering::SeqCst), 1, "{call:?} {fault:?}");
                assert_eq!(ask(&mut world, &asker, request), FIRST, "{call:?} {fault:?}");
            }
        }
    }

    #[test]
    fn first_request_gives_the_reason() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let shielded = async { shield(std::future::pending::<()>()).await }.cancelable(never());
        let operation = shielded.operation();
        let run = worker.bus.register(&operation, Ticket::new());
        let task = world.spawn(async move { _ = shielded.await });
        world.settle();
        let first = stop(&mut world, &asker, run.id());
        let second = world.run(asker.bus.cancel(run.id(), "again")).unwrap();
        world.pass(POLL);
        assert_eq!(operation.reason(), Some(Reason::manual("stop")));
        assert_eq!(ask(&mut world, &asker, first), FIRST);
        assert_eq!(ask(&mut world, &asker, second), LATER);
        world.kill(task);
    }
}

mod promise_6 {
    use super::*;

    #[test]
    fn lost_answer_is_repeated() {
        let mut world = World::new();
        let worker = world.host();
        let mut left = 1;
        let connection = world.store.connection().with_faults(move |call| {
            if call != Call::Request || left == 0 {
                return Fault::None;
            }
            left -= 1;
            Fault::After
        });
        let asker = world.host_with(connection, |builder| builder);
        let first = world.work(&worker, key("k"));
        let request = Request::key(key("k"), "stop");
        assert!(world.run(asker.bus.send(&request)).is_err());
        // It begins between the two attempts, so it is not one of the runs that were registered.
        let second = world.work(&worker, key("k"));
        world.run(asker.bus.send(&request)).unwrap();
        world.pass(POLL);
        assert_eq!(reason(&first).as_deref(), STOPPED);
        assert_eq!(reason(&second), None);
        let deliveries = world.run(asker.bus.deliveries(request.id(), SECOND)).unwrap();
        assert_eq!(deliveries, [(first.run.id(), FIRST)]);
    }

    #[test]
    fn what_was_sent_first_counts() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let [one, two] = [0; 2].map(|_| world.work(&worker, Ticket::new()));
        let request = Request::run(one.run.id(), "stop");
        world.run(asker.bus.send(&request)).unwrap();
        let other = Request::run(two.run.id(), "stop").with_id(request.id());
        world.run(asker.bus.send(&other)).unwrap();
        world.pass(POLL);
        assert_eq!((reason(&one).as_deref(), reason(&two)), (STOPPED, None));
    }
}

mod promise_7 {
    use super::*;

    #[test]
    fn outage_cancels_nothing() {
        let mut world = World::new();
        let outage = Outage::default();
        let connection = outage.connection(&world);
        let worker = world.host_with(connection, |builder| builder);
        let work = world.work(&worker, key("k"));
        outage.fail();
        world.pass(Duration::from_secs(3600));
        // A run that is registered during the outage starts too, but `begun` returns `false`.
        let during = world.work(&worker, key("k"));
        assert!(!world.run(during.run.begun()));
        assert_eq!((reason(&work), reason(&during)), (None, None));
        let health = worker.bus.health();
        assert!(!health.connected);
        assert!(health.unheard_for >= Duration::from_secs(3600), "{health:?}");
        assert!(health.failures > 1000, "{health:?}");
        assert_eq!(health.runs, 2);
        outage.end();
        world.pass(POLL);
        assert!(world.run(during.run.begun()));
        assert_eq!(worker.bus.health().failures, 0);
    }

    #[test]
    fn lease_fires_at_its_length() {
        let mut world = World::new();
        let outage = Outage::default();
        let connection = outage.connection(&world);
        let worker = world.host_with(connection, |builder| builder);
        world.pass(POLL * 10);
        let ten = SECOND * 10;
        let lease = std::future::pending::<()>().cancelable(worker.bus.lease(ten));
        let operation = lease.operation();
        world.spawn(async move { _ = lease.await });
        world.pass(POLL * 100);
        assert_eq!(operation.reason(), None);
        outage.swallow();
        let heard = worker.bus.health().unheard_for;
        world.pass(ten - heard - SECOND / 100);
        assert_eq!(operation.reason(), None);
        world.pass(SECOND / 100);
        assert_eq!(operation.reason(), Some(Reason::timeout_named("the store was not heard", ten)));

        // A new one starts with the last answer, too.
        let late = world.time.now();
        world.run(worker.bus.lease(ten));
        assert_eq!(world.time.now(), late);
        outage.end();
        world.pass(POLL * 2 + CALL);
        let next = worker.bus.lease(ten);
        outage.fail();
        let start = world.time.now();
        world.run(next);
        assert!(world.time.now() - start > ten - POLL);
    }

    /// The length counts from when a poll was sent, because the lease in the store may have begun then.
    #[test]
    fn lease_counts_from_the_sending() {
        let mut world = World::new();
        let mut polls = 0;
        let connection = world.store.connection().with_faults(move |call| match call {
            Call::Poll => {
                polls += 1;
                if polls > 2 { Fault::Silent } else { Fault::Late(SECOND) }
            }
            _ => Fault::None,
        });
        let worker = world.host_with(connection, |builder| builder);
        // Sent at 0 and 2 s, answered at 1 and 3 s.
        world.pass(SECOND * 3);
        world.run(worker.bus.lease(SECOND * 10));
        assert_eq!(world.time.elapsed(), SECOND * 12);
    }
}

mod promise_8 {
    use super::*;

    #[test]
    fn ended_run() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let work = world.work(&worker, key("k"));
        world.kill(work.task);
        world.settle();
        let request = stop(&mut world, &asker, work.run.id());
        assert_eq!(ask(&mut world, &asker, request), Delivery::AlreadyEnded);
    }

    /// The run ends while its request is under way: the end is not written yet.
    #[test]
    fn run_that_ends_before_the_request_arrives() {
        let mut world = World::new();
        let connection = faulty(&world, Call::Hint, Fault::Before);
        let worker = world.host_with(connection, |builder| builder);
        let asker = world.host();
        let work = world.work(&worker, key("k"));
        let stopped = world.stop(worker.driver);
        let request = stop(&mut world, &asker, work.run.id());
        world.kill(work.task);
        assert_eq!(ask(&mut world, &asker, request), Delivery::Unconfirmed);
        stopped(&mut world);
        world.pass(POLL);
        assert_eq!(ask(&mut world, &asker, request), Delivery::AlreadyEnded);
    }

    #[test]
    fn crashed_process() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let work = world.work(&worker, key("k"));
        world.kill(worker.driver);
        let request = stop(&mut world, &asker, work.run.id());
        assert_eq!(ask(&mut world, &asker, request), Delivery::Unconfirmed);
        let start = world.time.now();
        let delivery = world.run(asker.bus.delivery(request, LEASE * 4)).unwrap();
        assert_eq!(delivery, Delivery::Unknown);
        // At the first look after the lease.
        assert!(world.time.now() - start <= LEASE + POLL);

        // The next process has another run under the same key, which is not touched.
        let next = world.host();
        let again = world.work(&next, key("k"));
        world.pass(POLL * 3);
        assert_eq!(reason(&again), None);
    }

    #[test]
    fn process_that_was_stopped_past_its_lease() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let work = world.work(&worker, key("k"));
        let stopped = world.stop(worker.driver);
        world.pass(LEASE * 2);
        let request = stop(&mut world, &asker, work.run.id());
        assert_eq!(ask(&mut world, &asker, request), Delivery::Unknown);
        stopped(&mut world);
        world.pass(POLL);
        assert_eq!(reason(&work).as_deref(), STOPPED);
        assert_eq!(ask(&mut world, &asker, request), FIRST);
    }

    #[test]
    fn process_that_the_store_has_forgotten() {
        let mut world = World::new();
        let connection = world.store.connection();
        let worker = world.host_with(connection, |builder| builder.retention(LEASE));
        let connection = world.store.connection();
        let asker = world.host_with(connection, |builder| builder.retention(LEASE));
        let work = world.work(&worker, key("k"));
        let stopped = world.stop(worker.driver);
        let early = stop(&mut world, &asker, work.run.id());
        world.pass(Duration::from_secs(300));
        let keyed = world.run(asker.bus.cancel_key(key("k"), "stop")).unwrap();
        assert_eq!(world.run(asker.bus.deliveries(keyed, SECOND)).unwrap(), [], "it is gone");
        stopped(&mut world);
        world.pass(POLL);
        assert_eq!(reason(&work).as_deref(), STOPPED);
        assert_eq!(ask(&mut world, &asker, early), FIRST);
    }

    /// The process cancels, and crashes before its receipt is written.
    #[test]
    fn receipt_that_was_never_written() {
        let mut world = World::new();
        let connection = faulty(&world, Call::Finish, Fault::Before);
        let worker = world.host_with(connection, |builder| builder);
        let asker = world.host();
        let work = world.work(&worker, key("k"));
        let request = stop(&mut world, &asker, work.run.id());
        assert_eq!(reason(&work).as_deref(), STOPPED);
        assert_eq!(ask(&mut world, &asker, request), Delivery::Unconfirmed);
        world.kill(worker.driver);
        world.pass(LEASE);
        assert_eq!(ask(&mut world, &asker, request), Delivery::Unknown);
    }

    #[test]
    fn closed_bus() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let [ended, running] = [0; 2].map(|_| world.work(&worker, key("k")));
        world.kill(ended.task);
        world.run(worker.bus.close());
        assert!(world.has_ended(worker.driver));
        let [one, two] = [&ended, &running].map(|work| stop(&mut world, &asker, work.run.id()));
        assert_eq!(ask(&mut world, &asker, one), Delivery::AlreadyEnded);
        assert_eq!(ask(&mut world, &asker, two), Delivery::Unknown);
        let sent = world.run(worker.bus.cancel(running.run.id(), "stop"));
        assert!(matches!(sent, Err(Error::Stopped)), "{sent:?}");
    }
}

mod promise_9 {
    use super::*;

    #[test]
    fn block_reaches_the_runs_of_now_and_of_later() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let now = world.work(&worker, key("k"));
        let hour = Duration::from_secs(3600);
        let request = world.run(asker.bus.block_key(key("k"), hour, "stop")).unwrap();
        world.pass(hour / 2);
        let later = world.work(&worker, key("k"));
        let other = world.work(&worker, key("other"));
        assert_eq!(reason(&now).as_deref(), STOPPED);
        assert_eq!(reason(&later).as_deref(), STOPPED);
        assert_eq!(reason(&other), None);
        let deliveries = world.run(asker.bus.deliveries(request, SECOND)).unwrap();
        assert_eq!(deliveries.len(), 2);
        assert!(deliveries.iter().all(|(_, delivery)| *delivery == FIRST), "{deliveries:?}");
        world.pass(hour / 2 + SECOND);
        let after = world.work(&worker, key("k"));
        world.pass(POLL);
        assert_eq!(reason(&after), None);
    }

    #[test]
    fn unblock() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let hour = Duration::from_secs(3600);
        for _ in 0..2 {
            world.run(asker.bus.block_key(key("k"), hour, "stop")).unwrap();
        }
        assert_eq!(world.run(asker.bus.unblock_key(&key("other"))).unwrap(), 0);
        assert_eq!(world.run(asker.bus.unblock_key(&key("k"))).unwrap(), 2);
        assert_eq!(world.run(asker.bus.unblock_key(&key("k"))).unwrap(), 0);
        world.pass(SECOND);
        let work = world.work(&worker, key("k"));
        world.pass(POLL);
        assert_eq!(reason(&work), None);
    }

    /// The row of the run and the block are written at the same time, and neither transaction sees the other's.
    #[test]
    fn block_comes_while_the_run_begins() {
        let mut world = World::new();
        let connection = faulty(&world, Call::Poll, Fault::Late(SECOND));
        let worker = world.host_with(connection, |builder| builder);
        let asker = world.host();
        world.pass(POLL * 2);
        let work = world.work(&worker, key("k"));
        let hour = Duration::from_secs(3600);
        world.run(asker.bus.block_key(key("k"), hour, "stop")).unwrap();
        world.pass(POLL + SECOND);
        assert_eq!(reason(&work).as_deref(), STOPPED);
    }
}

mod promise_10 {
    use super::*;

    #[test]
    fn shield_ends_first() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let work = async { shield(timeout(SECOND * 5)).await }.cancelable(never());
        let operation = work.operation();
        let run = worker.bus.register(&operation, Ticket::new());
        world.spawn(async move { _ = work.await });
        world.settle();
        let request = stop(&mut world, &asker, run.id());
        assert_eq!(ask(&mut world, &asker, request), FIRST);
        assert_eq!(operation.status(), Status::Cancelling);
        world.pass(SECOND * 5);
        assert_eq!(operation.status(), Status::Cancelled);
        let late = stop(&mut world, &asker, run.id());
        assert_eq!(ask(&mut world, &asker, late), Delivery::AlreadyEnded);
    }
}

mod promise_11 {
    use super::*;

    /// Registers work, lets it end, and returns the delivery of a request that comes later.
    fn ends<F: Future<Output = Result<(), &'static str>> + 'static>(work: F) {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let work = async { work.await.map_err(Failed::Work) }.try_cancelable(never());
        let run = worker.bus.register(&work.operation(), key("k"));
        let task = world.spawn(async move {
            let work = std::panic::AssertUnwindSafe(work);
            _ = futures::FutureExt::catch_unwind(work).await;
        });
        assert!(world.run(run.begun()));
        world.pass(SECOND);
        if !world.has_ended(task) {
            world.kill(task);
            world.settle();
        }
        assert_eq!(worker.bus.health().runs, 0);
        let request = stop(&mut world, &asker, run.id());
        assert_eq!(ask(&mut world, &asker, request), Delivery::AlreadyEnded);
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "only printed")]
    enum Failed {
        Work(&'static str),
        Cancelled(Cancelled),
    }

    impl std::fmt::Display for Failed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl From<Cancelled> for Failed {
        fn from(cancelled: Cancelled) -> Self {
            Failed::Cancelled(cancelled)
        }
    }

    #[test]
    fn completed() {
        ends(async { Ok(()) });
    }

    #[test]
    fn failed() {
        ends(async { Err("no disk") });
    }

    #[test]
    fn panicked() {
        ends(async { panic!("a panic of the work") });
    }

    #[test]
    fn dropped() {
        ends(std::future::pending());
    }

    #[test]
    fn cancelled_by_itself() {
        ends(async {
            Operation::current().unwrap().cancel();
            std::future::pending().await
        });
    }

    #[test]
    fn never_polled() {
        let mut world = World::new();
        let (worker, asker) = (world.host(), world.host());
        let work = async {}.cancelable(never());
        let run = worker.bus.register(&work.operation(), key("k"));
        assert!(world.run(run.begun()));
        drop(work);
        world.settle();
        let request = stop(&mut world, &asker, run.id());
        assert_eq!(ask(&mut world, &asker, request), Delivery::AlreadyEnded);
    }

    #[test]
    fn registered_after_its_end() {
        let mut world = World::new();
        let worker = world.host();
        let work = async {}.cancelable(never());
        let operation = work.operation();
        world.run(work).unwrap();
        let run = worker.bus.register(&operation, key("k"));
        assert_eq!(worker.bus.health().runs, 0);
        assert!(!world.run(run.begun()));
    }
}

mod promise_12 {
    use super::*;

    #[test]
    fn ticket_waits_in_a_queue() {
        let mut world = World::new();
        let (creator, worker) = (world.host(), world.host());
        assert_eq!(creator.bus.now(), None);
        world.settle();
        let now = creator.bus.now().unwrap();
        let text = Ticket::new().until(now + SECOND * 30).to_string();
        world.pass(SECOND * 20);
        let ticket: Ticket = text.parse().unwrap();
        let start = world.time.now();
        let reason = world.run(worker.bus.deadline(&ticket));
        assert_eq!(world.time.now() - start, SECOND * 10);
        assert_eq!(reason.to_string(), "timed out after 10s (deadline of the ticket)");
        // It is over.
        world.run(worker.bus.deadline(&ticket));
        assert_eq!(world.time.now() - start, SECOND * 10);
    }

    #[test]
    fn time_of_the_store_is_not_known_at_first() {
        let mut world = World::new();
        let creator = world.host();
        world.settle();
        let ticket = Ticket::new().until(creator.bus.now().unwrap() + SECOND);
        let outage = Outage::default();
        outage.fail();
        let connection = outage.connection(&world);
        let worker = world.host_with(connection, |builder| builder);
        let work = std::future::pending::<()>().cancelable(worker.bus.deadline(&ticket));
        let operation = work.operation();
        world.spawn(async move { _ = work.await });
        world.pass(SECOND * 60);
        assert!(!operation.is_cancelled());
        outage.end();
        world.pass(POLL);
        assert!(operation.is_cancelled());
    }

    #[test]
    fn ticket_without_a_deadline() {
        let mut world = World::new();
        let worker = world.host();
        let deadline = worker.bus.deadline(&Ticket::new());
        let task = world.spawn(async move { _ = deadline.await });
        world.pass(SECOND * 3600);
        assert!(!world.has_ended(task));
    }
}

mod promise_13 {
    use super::*;

    #[test]
    fn idle_process_polls_and_does_nothing_else() {
        let mut world = World::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let connection = world.store.connection().with_faults(move |call| {
            counter.fetch_add(usize::from(call != Call::Forget), Ordering::SeqCst);
            Fault::None
        });
        let worker = world.host_with(connection, |builder| builder);
        let works: Vec<_> = (0..5000)
            .map(|_| {
                let work = std::future::pending::<()>().cancelable(never());
                worker.bus.register(&work.operation(), Ticket::new());
                work
            })
            .collect();
        world.pass(POLL);
        // One connection, five batches of rows, and a poll after each of them.
        let before = calls.swap(0, Ordering::SeqCst);
        assert!(before <= 1 + 2 * 6 + 1, "{before}");
        world.pass(POLL * 100);
        assert_eq!(calls.swap(0, Ordering::SeqCst), 100);
        drop(works);
        world.settle();
        // The ends of 5,000 runs are five batches as well.
        assert_eq!(calls.load(Ordering::SeqCst), 5);
    }
}

mod promise_14 {
    use super::*;

    #[test]
    fn runs_that_begin_and_end_in_an_outage_leave_nothing() {
        let mut world = World::new();
        let outage = Outage::default();
        let rows = Arc::new(AtomicUsize::new(0));
        let (counter, switch) = (rows.clone(), outage.clone());
        let connection = world.store.connection().with_faults(move |call| {
            if switch.0.load(Ordering::SeqCst) == 1 {
                return Fault::Before;
            }
            counter.fetch_add(
                usize::from(matches!(call, Call::Begin | Call::Finish)),
                Ordering::SeqCst,
            );
            Fault::None
        });
        let worker = world.host_with(connection, |builder| builder);
        world.settle();
        outage.fail();
        world.pass(POLL);
        let lost = (0..1000).map(|_| {
            let work = async {}.cancelable(never());
            worker.bus.register(&work.operation(), Ticket::new())
        });
        let lost: Vec<_> = lost.collect();
        assert_eq!(worker.bus.health().runs, 0);
        outage.end();
        world.pass(POLL);
        assert_eq!(rows.load(Ordering::SeqCst), 0);
        assert!(!world.run(lost[0].begun()));
    }

    #[test]
    fn store_forgets_after_the_retention_time() {
        let mut world = World::new();
        let connection = world.store.connection();
        let worker = world.host_with(connection, |builder| builder.retention(LEASE));
        let asker = world.host();
        let work = world.work(&worker, key("k"));
        let request = Request::run(work.run.id(), "stop").keep_for(SECOND);
        world.run(asker.bus.send(&request)).unwrap();
        assert_eq!(ask(&mut world, &asker, request.id()), FIRST);
        world.pass(SECOND * 150);
        let asked = world.run(asker.bus.delivery(request.id(), SECOND));
        assert!(matches!(asked, Err(Error::UnknownRequest(id)) if id == request.id()), "{asked:?}");
    }
}
