//! Promises 7 and 8: what happens during an outage, and what requesters learn.

use super::*;

mod promise_7 {
    use super::*;

    #[test]
    fn outage_cancels_nothing() {
        let mut world = World::new();
        let outage = Outage::default();
        let worker = world.host_on(outage.connection(&world));
        let work = world.work(&worker, key("k"));
        outage.fail();
        world.pass(Duration::from_secs(3600));
        // A run that is registered during the outage starts too, but `begun` returns `false`.
        let during = world.work(&worker, key("k"));
        assert!(!world.run(during.run.begun()));
        assert_eq!((work.reason(), during.reason()), (None, None));
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
        let worker = world.host_on(outage.connection(&world));
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
        let worker = world.host_on(connection);
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
        let (mut world, worker, requester) = two_hosts();
        let work = world.work(&worker, key("k"));
        world.kill(work.task);
        world.settle();
        let request = stop(&mut world, &requester, work.run.id());
        assert_eq!(ask(&mut world, &requester, request), Delivery::AlreadyEnded);
    }

    /// The run ends while its request is under way: the end is not written yet.
    #[test]
    fn run_that_ends_before_the_request_arrives() {
        let mut world = World::new();
        let worker = world.host_on(faulty(&world, Call::Hint, Fault::Before));
        let requester = world.host();
        let work = world.work(&worker, key("k"));
        let stopped = world.stop(worker.driver);
        let request = stop(&mut world, &requester, work.run.id());
        world.kill(work.task);
        assert_eq!(ask(&mut world, &requester, request), Delivery::Unconfirmed);
        stopped(&mut world);
        world.pass(POLL);
        assert_eq!(ask(&mut world, &requester, request), Delivery::AlreadyEnded);
    }

    #[test]
    fn crashed_process() {
        let (mut world, worker, requester) = two_hosts();
        let work = world.work(&worker, key("k"));
        world.kill(worker.driver);
        let request = stop(&mut world, &requester, work.run.id());
        assert_eq!(ask(&mut world, &requester, request), Delivery::Unconfirmed);
        let start = world.time.now();
        let delivery = world.run(requester.bus.delivery(request, LEASE * 4)).unwrap();
        assert_eq!(delivery, Delivery::Unknown);
        // At the first look after the lease.
        assert!(world.time.now() - start <= LEASE + POLL);

        // The next process has another run under the same key, which is not touched.
        let next = world.host();
        let again = world.work(&next, key("k"));
        world.pass(POLL * 3);
        again.assert_untouched();
    }

    #[test]
    fn process_that_was_stopped_past_its_lease() {
        let (mut world, worker, requester) = two_hosts();
        let work = world.work(&worker, key("k"));
        let stopped = world.stop(worker.driver);
        world.pass(LEASE * 2);
        let request = stop(&mut world, &requester, work.run.id());
        assert_eq!(ask(&mut world, &requester, request), Delivery::Unknown);
        stopped(&mut world);
        world.pass(POLL);
        work.assert_stopped();
        assert_eq!(ask(&mut world, &requester, request), FIRST);
    }

    #[test]
    fn process_that_the_store_has_forgotten() {
        let mut world = World::new();
        let connection = world.store.connection();
        let worker = world.host_with(connection, |builder| builder.retention(LEASE));
        let connection = world.store.connection();
        let requester = world.host_with(connection, |builder| builder.retention(LEASE));
        let work = world.work(&worker, key("k"));
        let stopped = world.stop(worker.driver);
        let early = stop(&mut world, &requester, work.run.id());
        world.pass(Duration::from_secs(300));
        let keyed = world.run(requester.bus.cancel_key(key("k"), "stop")).unwrap();
        assert_eq!(world.run(requester.bus.deliveries(keyed, SECOND)).unwrap(), [], "it is gone");
        stopped(&mut world);
        world.pass(POLL);
        work.assert_stopped();
        assert_eq!(ask(&mut world, &requester, early), FIRST);
    }

    /// The process cancels, and crashes before its receipt is written.
    #[test]
    fn receipt_that_was_never_written() {
        let mut world = World::new();
        let worker = world.host_on(faulty(&world, Call::Finish, Fault::Before));
        let requester = world.host();
        let work = world.work(&worker, key("k"));
        let request = stop(&mut world, &requester, work.run.id());
        work.assert_stopped();
        assert_eq!(ask(&mut world, &requester, request), Delivery::Unconfirmed);
        world.kill(worker.driver);
        world.pass(LEASE);
        assert_eq!(ask(&mut world, &requester, request), Delivery::Unknown);
    }

    #[test]
    fn closed_bus() {
        let (mut world, worker, requester) = two_hosts();
        let [ended, running] = [0; 2].map(|_| world.work(&worker, key("k")));
        world.kill(ended.task);
        world.run(worker.bus.close());
        assert!(world.has_ended(worker.driver));
        let [one, two] = [&ended, &running].map(|work| stop(&mut world, &requester, work.run.id()));
        assert_eq!(ask(&mut world, &requester, one), Delivery::AlreadyEnded);
        assert_eq!(ask(&mut world, &requester, two), Delivery::Unknown);
        let sent = world.run(worker.bus.cancel(running.run.id(), "stop"));
        assert!(matches!(sent, Err(Error::Stopped)), "{sent:?}");
    }
}
