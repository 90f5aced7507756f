//! Promises 1 to 3: a request lasts, arrives, and may come before its run.

use super::*;

mod promise_1 {
    use super::*;

    #[test]
    fn requester_crashes_after_the_commit() {
        let mut world = World::new();
        let outage = Outage::default();
        let worker = world.host_on(outage.connection(&world));
        let work = world.work(&worker, key("k"));
        outage.fail();
        let requester = world.host();
        stop(&mut world, &requester, work.run.id());
        world.kill(requester.driver);
        drop(requester);
        world.pass(Duration::from_secs(600));
        work.assert_untouched();
        outage.end();
        world.pass(POLL + CALL);
        work.assert_stopped();
    }

    #[test]
    fn answer_of_the_commit_is_lost() {
        let mut world = World::new();
        let worker = world.host();
        let work = world.work(&worker, key("k"));
        let requester = world.host_on(faulty(&world, Call::Request, Fault::After));
        let sent = world.run(requester.bus.cancel(work.run.id(), "stop"));
        assert!(matches!(sent, Err(Error::Store(_))), "{sent:?}");
        work.assert_stopped();
    }

    #[test]
    fn nothing_is_ok_before_the_commit() {
        let mut world = World::new();
        let worker = world.host();
        let work = world.work(&worker, key("k"));
        let requester = world.host_on(faulty(&world, Call::Request, Fault::Before));
        let sent = world.run(requester.bus.cancel(work.run.id(), "stop"));
        assert!(matches!(sent, Err(Error::Store(_))), "{sent:?}");
        world.pass(POLL * 10);
        work.assert_untouched();
    }
}

mod promise_2 {
    use super::*;

    #[test]
    fn hint_wakes_the_worker_at_once() {
        let (mut world, worker, requester) = two_hosts();
        let work = world.work(&worker, key("k"));
        world.pass(SECOND / 2);
        let before = world.time.elapsed();
        stop(&mut world, &requester, work.run.id());
        work.assert_stopped();
        assert_eq!(world.time.elapsed(), before);
    }

    #[test]
    fn every_hint_is_lost() {
        for fault in [Fault::Before, Fault::Silent] {
            let mut world = World::new();
            let worker = world.host_on(faulty(&world, Call::Hint, fault));
            let requester = world.host();
            let work = world.work(&worker, key("k"));
            world.pass(SECOND / 2);
            stop(&mut world, &requester, work.run.id());
            work.assert_untouched();
            world.pass(POLL);
            work.assert_stopped();
        }
    }

    #[test]
    fn connection_breaks_and_comes_back() {
        let mut world = World::new();
        let outage = Outage::default();
        let worker = world.host_on(outage.connection(&world));
        let requester = world.host();
        let work = world.work(&worker, key("k"));
        outage.fail();
        world.pass(Duration::from_secs(60));
        let request = stop(&mut world, &requester, work.run.id());
        outage.end();
        // The pause between two attempts is at most as long as a poll interval.
        world.pass(POLL);
        work.assert_stopped();
        assert_eq!(ask(&mut world, &requester, request), FIRST);
    }

    #[test]
    fn silent_connection_is_given_up() {
        let mut world = World::new();
        let outage = Outage::default();
        let worker = world.host_on(outage.connection(&world));
        let requester = world.host();
        let work = world.work(&worker, key("k"));
        outage.swallow();
        world.pass(POLL + CALL);
        let health = worker.bus.health();
        assert!(!health.connected);
        assert_eq!(health.error.as_deref(), Some("no answer of the store within 2s"));
        stop(&mut world, &requester, work.run.id());
        outage.end();
        world.pass(POLL + CALL);
        work.assert_stopped();
        assert_eq!(worker.bus.health().error, None);
    }
}

mod promise_3 {
    use super::*;

    #[test]
    fn request_comes_before_the_run() {
        let (mut world, worker, requester) = two_hosts();
        let ticket = Ticket::new();
        let request = stop(&mut world, &requester, ticket.run());
        assert_eq!(ask(&mut world, &requester, request), Delivery::Unknown);
        world.pass(Duration::from_secs(600));
        let work = world.work(&worker, ticket);
        work.assert_stopped();
        assert_eq!(ask(&mut world, &requester, request), FIRST);
    }

    #[test]
    fn run_begins_after_the_lifetime() {
        let (mut world, worker, requester) = two_hosts();
        let ticket = Ticket::new();
        let request = Request::run(ticket.run(), "stop").keep_for(SECOND);
        world.run(requester.bus.send(&request)).unwrap();
        world.pass(SECOND * 2);
        let work = world.work(&worker, ticket);
        world.pass(POLL);
        work.assert_untouched();
        assert_eq!(ask(&mut world, &requester, request.id()), Delivery::Unknown);
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
            let worker = world.host_on(connection);
            let requester = world.host();
            let work = world.work(&worker, key("k"));
            world.pass(SECOND / 2);
            stop(&mut world, &requester, work.run.id());
            world.pass(POLL + CALL);
            assert_eq!(work.reason().as_deref(), STOPPED, "{call:?} {late}");
        }
    }

    #[test]
    fn begun_run_does_no_work_if_it_was_cancelled_before() {
        let (mut world, worker, requester) = two_hosts();
        let ticket = Ticket::new();
        stop(&mut world, &requester, ticket.run());
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
