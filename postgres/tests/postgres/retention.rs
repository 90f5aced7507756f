//! `forget` deletes old rows, and only these.

use std::time::Duration;

use cancelable::Status;
use cancelable_bus::engine::{Engine, NewRun, Receipt, Received, RunEnd, Target, TargetState};
use cancelable_bus::{Request, RunId};

use crate::support::{LEASE, Member, client, engine, fresh_scope, server, watchdog};

/// The test uses its own database, because `forget` deletes old rows of every scope.
#[test]
fn forgets_what_is_old() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let admin = client(server()).await;
        admin.batch_execute("CREATE DATABASE retention").await.expect("a database");
        let url = server().url_of("retention");
        engine(&url, server().port()).migrate().await.expect("a migration");
        let scope = fresh_scope();
        let worker = Member::at(&url, server().port(), &scope);
        worker.engine.connect(&worker.process, LEASE).await.expect("a connection");
        let dead = Member::at(&url, server().port(), &scope);
        dead.engine.connect(&dead.process, LEASE).await.expect("a connection");

        let plain = || NewRun::new(RunId::new(), None, "");
        let (ended, live, lost) = (plain(), plain(), plain());
        let runs = [ended.clone(), live.clone()];
        worker.begin(worker.process.id, &runs).await.expect("an insert");
        dead.begin(dead.process.id, std::slice::from_ref(&lost)).await.expect("an insert");
        let short = Duration::from_millis(1);
        let ask = async |run: &NewRun, lifetime| {
            let request = Request::run(run.id, "stop").keep_for(lifetime);
            worker.request(&worker.process, &request).await.expect("a request");
            request
        };
        let (received, waiting) = (ask(&ended, short).await, ask(&live, short).await);
        let unexpired = ask(&ended, Duration::from_secs(60)).await;
        let for_lost = ask(&lost, short).await;
        let receipt = Receipt::new(received.id(), ended.id, Received::First);
        let end = RunEnd::new(ended.id, Status::Cancelled);
        worker.finish(worker.process.id, &[receipt], &[end]).await.expect("an update");
        dead.leave(dead.process.id).await.expect("an update");
        smol::Timer::after(Duration::from_millis(5)).await;

        let hour = Duration::from_secs(3600);
        assert_eq!(worker.forget(hour, 100).await.expect("an answer"), 0);
        // One row of each table at most: the process that is dead with its run, the run that has ended, and a request.
        let first = worker.forget(Duration::ZERO, 1).await.expect("an answer");
        let mut deleted = first;
        loop {
            match worker.forget(Duration::ZERO, 1).await.expect("an answer") {
                0 => break,
                more => deleted += more,
            }
        }
        assert!(first < deleted);
        let ids = [received.id(), waiting.id(), unexpired.id(), for_lost.id()];
        let mut left = worker.targets(&ids).await.expect("an answer");
        left.sort_by_key(|(id, _)| *id);
        let mut expected = [
            (waiting.id(), vec![Target::new(live.id, TargetState::Live)]),
            (unexpired.id(), vec![]),
        ];
        expected.sort_by_key(|(id, _)| *id);
        assert_eq!(left, expected);
        assert_eq!(dead.poll(dead.process.id, LEASE).await.expect("an answer"), None);
        // 1 process, 2 runs, 2 requests, and their 3 targets.
        assert_eq!(deleted, 8);
    });
}
