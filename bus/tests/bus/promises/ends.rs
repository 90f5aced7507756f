//! Promises 9 to 11: blocks, how a run is cancelled, and how its end is noted.

use super::*;

mod promise_9 {
    use super::*;

    #[test]
    fn block_reaches_the_runs_of_now_and_of_later() {
        let (mut world, worker, requester) = two_hosts();
        let now = world.work(&worker, key("k"));
        let hour = Duration::from_secs(3600);
        let request = world.run(requester.bus.block_key(key("k"), hour, "stop")).unwrap();
        world.pass(hour / 2);
        let later = world.work(&worker, key("k"));
        let other = world.work(&worker, key("other"));
        now.assert_stopped();
        later.assert_stopped();
        other.assert_untouched();
        let deliveries = world.run(requester.bus.deliveries(request, SECOND)).unwrap();
        assert_eq!(deliveries.len(), 2);
        assert!(deliveries.iter().all(|(_, delivery)| *delivery == FIRST), "{deliveries:?}");
        world.pass(hour / 2 + SECOND);
        let after = world.work(&worker, key("k"));
        world.pass(POLL);
        after.assert_untouched();
    }

    #[test]
    fn unblock() {
        let (mut world, worker, requester) = two_hosts();
        let hour = Duration::from_secs(3600);
        for _ in 0..2 {
            world.run(requester.bus.block_key(key("k"), hour, "stop")).unwrap();
        }
        assert_eq!(world.run(requester.bus.unblock_key(&key("other"))).unwrap(), 0);
        assert_eq!(world.run(requester.bus.unblock_key(&key("k"))).unwrap(), 2);
        assert_eq!(world.run(requester.bus.unblock_key(&key("k"))).unwrap(), 0);
        world.pass(SECOND);
        let work = world.work(&worker, key("k"));
        world.pass(POLL);
        work.assert_untouched();
    }

    /// The row of the run and the block are written at the same time, and neither transaction sees the other's.
    #[test]
    fn block_comes_while_the_run_begins() {
        let mut world = World::new();
        let worker = world.host_on(faulty(&world, Call::Poll, Fault::Late(SECOND)));
        let requester = world.host();
        world.pass(POLL * 2);
        let work = world.work(&worker, key("k"));
        let hour = Duration::from_secs(3600);
        world.run(requester.bus.block_key(key("k"), hour, "stop")).unwrap();
        world.pass(POLL + SECOND);
        work.assert_stopped();
    }
}

mod promise_10 {
    use super::*;

    #[test]
    fn shield_ends_first() {
        let (mut world, worker, requester) = two_hosts();
        let work = async { shield(timeout(SECOND * 5)).await }.cancelable(never());
        let operation = work.operation();
        let run = worker.bus.register(&operation, Ticket::new());
        world.spawn(async move { _ = work.await });
        world.settle();
        let request = stop(&mut world, &requester, run.id());
        assert_eq!(ask(&mut world, &requester, request), FIRST);
        assert_eq!(operation.status(), Status::Cancelling);
        world.pass(SECOND * 5);
        assert_eq!(operation.status(), Status::Cancelled);
        let late = stop(&mut world, &requester, run.id());
        assert_eq!(ask(&mut world, &requester, late), Delivery::AlreadyEnded);
    }
}

mod promise_11 {
    use super::*;

    /// Registers work, lets it end, and returns the delivery of a request that comes later.
    fn ends<F: Future<Output = Result<(), &'static str>> + 'static>(work: F) {
        let (mut world, worker, requester) = two_hosts();
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
        let request = stop(&mut world, &requester, run.id());
        assert_eq!(ask(&mut world, &requester, request), Delivery::AlreadyEnded);
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
        let (mut world, worker, requester) = two_hosts();
        let work = async {}.cancelable(never());
        let run = worker.bus.register(&work.operation(), key("k"));
        assert!(world.run(run.begun()));
        drop(work);
        world.settle();
        let request = stop(&mut world, &requester, run.id());
        assert_eq!(ask(&mut world, &requester, request), Delivery::AlreadyEnded);
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
