//! Promises 4 to 6: a request reaches the runs that it was sent to, and once.

use super::*;

mod promise_4 {
    use super::*;

    #[test]
    fn other_runs_keys_and_scopes_are_not_touched() {
        let (mut world, worker, requester) = two_hosts();
        let connection = world.store.connection();
        let elsewhere =
            world.host_with(connection, |builder| builder.scope(Scope::new("other").unwrap()));
        let aim = world.work(&worker, key("a"));
        let others = [
            world.work(&worker, key("b")),
            world.work(&worker, Ticket::new()),
            world.work(&elsewhere, key("a")),
        ];
        world.run(requester.bus.cancel_key(key("a"), "stop")).unwrap();
        // A request from another scope, although it names the run.
        stop(&mut world, &elsewhere, others[0].run.id());
        world.pass(POLL * 3);
        aim.assert_stopped();
        for other in &others {
            other.assert_untouched();
        }
    }

    #[test]
    fn next_run_with_the_same_key_is_not_touched() {
        let (mut world, worker, requester) = two_hosts();
        let first = world.work(&worker, key("k"));
        let request = world.run(requester.bus.cancel_key(key("k"), "stop")).unwrap();
        first.assert_stopped();
        let second = world.work(&worker, key("k"));
        world.pass(POLL * 3);
        second.assert_untouched();
        let deliveries = world.run(requester.bus.deliveries(request, SECOND)).unwrap();
        assert_eq!(deliveries, [(first.run.id(), FIRST)]);
    }

    #[test]
    fn key_without_runs_reaches_nothing() {
        let (mut world, worker, requester) = two_hosts();
        let request = world.run(requester.bus.cancel_key(key("k"), "stop")).unwrap();
        assert_eq!(world.run(requester.bus.deliveries(request, SECOND)).unwrap(), []);
        let work = world.work(&worker, key("k"));
        world.pass(POLL * 3);
        work.assert_untouched();
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
        first.assert_untouched();
        let refused = "cancelled: another process has begun a run with the same identifier";
        assert_eq!(second.reason().as_deref(), Some(refused));
        let refused = "cancelled: a run with the same identifier is live in this process";
        assert_eq!(same.reason().as_deref(), Some(refused));
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
                let worker = world.host_on(connection);
                let requester = world.host();
                let work = world.work(&worker, key("k"));
                let count = cancellations(&work);
                world.pass(POLL * 3);
                let request = stop(&mut world, &requester, work.run.id());
                world.pass(POLL * 3);
                assert_eq!(count.load(Ordering::SeqCst), 1, "{call:?} {fault:?}");
                assert_eq!(ask(&mut world, &requester, request), FIRST, "{call:?} {fault:?}");
            }
        }
    }

    #[test]
    fn first_request_gives_the_reason() {
        let (mut world, worker, requester) = two_hosts();
        let shielded = async { shield(std::future::pending::<()>()).await }.cancelable(never());
        let operation = shielded.operation();
        let run = worker.bus.register(&operation, Ticket::new());
        let task = world.spawn(async move { _ = shielded.await });
        world.settle();
        let first = stop(&mut world, &requester, run.id());
        let second = world.run(requester.bus.cancel(run.id(), "again")).unwrap();
        world.pass(POLL);
        assert_eq!(operation.reason(), Some(Reason::manual("stop")));
        assert_eq!(ask(&mut world, &requester, first), FIRST);
        assert_eq!(ask(&mut world, &requester, second), LATER);
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
        let requester = world.host_on(connection);
        let first = world.work(&worker, key("k"));
        let request = Request::key(key("k"), "stop");
        assert!(world.run(requester.bus.send(&request)).is_err());
        // It begins between the two attempts, so it is not one of the runs that were registered.
        let second = world.work(&worker, key("k"));
        world.run(requester.bus.send(&request)).unwrap();
        world.pass(POLL);
        first.assert_stopped();
        second.assert_untouched();
        let deliveries = world.run(requester.bus.deliveries(request.id(), SECOND)).unwrap();
        assert_eq!(deliveries, [(first.run.id(), FIRST)]);
    }

    #[test]
    fn what_was_sent_first_counts() {
        let (mut world, worker, requester) = two_hosts();
        let [one, two] = [0; 2].map(|_| world.work(&worker, Ticket::new()));
        let request = Request::run(one.run.id(), "stop");
        world.run(requester.bus.send(&request)).unwrap();
        let other = Request::run(two.run.id(), "stop").with_id(request.id());
        world.run(requester.bus.send(&other)).unwrap();
        world.pass(POLL);
        assert_eq!((one.reason().as_deref(), two.reason()), (STOPPED, None));
    }
}
