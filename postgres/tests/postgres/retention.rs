//! `forget` deletes old rows, and only these.

use std::collections::HashSet;
use std::time::Duration;

use cancelable::Status;
use cancelable_bus::engine::{
    Engine, Enrolled, NewRun, Receipt, Received, RunEnd, Target, TargetState,
};
use cancelable_bus::{Key, Request, RequestId, RunId};

use crate::support::{LEASE, Member, client_at, database, fresh_scope, server, watchdog};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn forgets_what_is_old() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let url = database("retention").await;
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

        assert_eq!(worker.forget(HOUR, 100).await.expect("an answer"), 0);
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
            (unexpired.id(), vec![Target::new(ended.id, TargetState::NotBegun)]),
        ];
        expected.sort_by_key(|(id, _)| *id);
        assert_eq!(left, expected);
        assert_eq!(dead.poll(dead.process.id, LEASE).await.expect("an answer"), None);
        // 1 process, 2 runs, 2 requests, and their 2 targets.
        assert_eq!(deleted, 7);
    });
}

/// A process is away for so long that its runs are deleted. Requests for one of them were made before and after that.
#[test]
fn requests_wait_for_a_process_that_was_forgotten() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let url = database("absence").await;
        let scope = fresh_scope();
        let (worker, requester) =
            (Member::at(&url, server().port(), &scope), Member::at(&url, server().port(), &scope));
        for member in [&worker, &requester] {
            member.connect(&member.process, LEASE).await.expect("a connection");
        }
        let key = Key::new("k").expect("a key");
        let run = NewRun::new(RunId::new(), Some(key.clone()), "");
        worker.begin(worker.process.id, std::slice::from_ref(&run)).await.expect("an insert");
        let ask = async |request: Request| {
            requester.request(&requester.process, &request).await.expect("a request");
            request.id()
        };
        let received = ask(Request::run(run.id, "received")).await;
        let receipt = Receipt::new(received, run.id, Received::Later);
        worker.finish(worker.process.id, &[receipt], &[]).await.expect("an update");

        let sql = "UPDATE cancelable.processes SET lease_until = lease_until - interval '2 hours' WHERE id = $1";
        let client = client_at(&url, server().port()).await;
        client.execute(sql, &[&worker.process.id.as_uuid()]).await.expect("an update");
        let early = ask(Request::run(run.id, "early")).await;
        let expired = ask(Request::run(run.id, "expired").keep_for(Duration::from_millis(1))).await;
        let keyed = ask(Request::key(key.clone(), "keyed")).await;
        let block = ask(Request::block(key, HOUR, "block")).await;
        requester.forget(HOUR, 100).await.expect("an answer");
        let late = ask(Request::run(run.id, "late")).await;
        let states = async |ids: &[RequestId]| {
            let mut states = Vec::new();
            for id in ids {
                let all = requester.targets(&[*id]).await.expect("an answer");
                states.extend(all.into_iter().flat_map(|(_, targets)| targets).map(|t| t.state));
            }
            states
        };
        let received_later = TargetState::Received(Received::Later);
        let left = states(&[received, early, late, keyed, block]).await;
        assert_eq!(left, [received_later, TargetState::NotBegun, TargetState::NotBegun]);

        assert_eq!(worker.poll(worker.process.id, LEASE).await.expect("an answer"), None);
        let enrolled = worker.connect(&worker.process, LEASE).await.expect("an answer");
        assert_eq!(enrolled, Enrolled::New);
        smol::Timer::after(Duration::from_millis(5)).await;
        worker.begin(worker.process.id, std::slice::from_ref(&run)).await.expect("an insert");
        let polled = worker.poll(worker.process.id, LEASE).await.expect("an answer");
        let pending: HashSet<_> =
            polled.expect("a process").pending.iter().map(|one| one.request).collect();
        assert_eq!(pending, HashSet::from([early, late, block]));
        let left = states(&[received, early, late, expired]).await;
        let live = TargetState::Live;
        assert_eq!(left, [received_later, live, live, TargetState::NotBegun]);
    });
}
