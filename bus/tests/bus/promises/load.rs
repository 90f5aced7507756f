//! Promises 12 to 14: deadlines, load, and what is kept.

use super::*;

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
        let worker = world.host_on(outage.connection(&world));
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
        let worker = world.host_on(connection);
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
        let worker = world.host_on(connection);
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
        let requester = world.host();
        let work = world.work(&worker, key("k"));
        let request = Request::run(work.run.id(), "stop").keep_for(SECOND);
        world.run(requester.bus.send(&request)).unwrap();
        assert_eq!(ask(&mut world, &requester, request.id()), FIRST);
        world.pass(SECOND * 150);
        let asked = world.run(requester.bus.delivery(request.id(), SECOND));
        assert!(matches!(asked, Err(Error::UnknownRequest(id)) if id == request.id()), "{asked:?}");
    }
}
