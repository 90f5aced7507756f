//! Each call changes the tables as documented, and repeating it changes nothing more.

use std::time::Duration;

use cancelable::{Reason, Status};
use cancelable_bus::engine::{
    Engine, Enrolled, NewRun, Pending, Process, Receipt, Received, RunEnd, Target, TargetState,
};
use cancelable_bus::{Key, RemoteReason, Request, RequestId, RunId, Scope};

use crate::support::{LEASE, Member, fresh_scope, watchdog};

const HOUR: Duration = Duration::from_secs(3600);

fn key(text: &'static str) -> Key {
    Key::new(text).expect("a key")
}

/// Returns a run without a key.
fn plain() -> NewRun {
    NewRun::new(RunId::new(), None, "plain")
}

fn keyed(text: &'static str) -> NewRun {
    NewRun::new(RunId::new(), Some(key(text)), "keyed")
}

/// Polls and returns the requests and runs, in an order that does not depend on the server.
async fn pending(member: &Member) -> Vec<(RequestId, RunId)> {
    let polled = member.poll(member.process.id, LEASE).await.expect("an answer");
    let pending = polled.expect("a process").pending;
    let mut pairs: Vec<_> = pending.iter().map(|one| (one.request, one.run)).collect();
    pairs.sort();
    pairs
}

async fn begin(member: &Member, runs: &[NewRun]) {
    let refused = member.begin(member.process.id, runs).await.expect("an insert");
    assert_eq!(refused, []);
}

async fn ask(member: &Member, request: &Request) {
    member.request(&member.process, request).await.expect("a request");
}

async fn targets(member: &Member, request: &Request) -> Vec<Target> {
    let mut all = member.targets(&[request.id()]).await.expect("an answer");
    let (id, targets) = all.pop().expect("the request");
    assert_eq!((id, all.len()), (request.id(), 0));
    targets
}

async fn finish(member: &Member, receipts: &[Receipt], ends: &[RunEnd]) {
    member.finish(member.process.id, receipts, ends).await.expect("an update");
}

#[test]
fn enrols_once() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let scope = fresh_scope();
        let member = Member::new(crate::support::server(), crate::support::server().port(), &scope);
        for expected in [Enrolled::New, Enrolled::Known] {
            let enrolled = member.engine.connect(&member.process, LEASE).await.expect("an answer");
            assert_eq!(enrolled, expected);
        }
    });
}

#[test]
fn delivers_a_request_and_its_receipt() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let scope = fresh_scope();
        let (worker, requester) =
            (Member::connected(&scope).await, Member::connected(&scope).await);
        let runs = [plain(), plain()];
        begin(&worker, &runs).await;
        assert_eq!(pending(&worker).await, []);

        let request = Request::run(runs[0].id, "not needed").by("alice");
        ask(&requester, &request).await;
        worker.hint().await;
        let polled = worker.poll(worker.process.id, LEASE).await.expect("an answer");
        let reason = RemoteReason::from("not needed").by("alice");
        let expected = Pending::new(request.id(), runs[0].id, reason);
        assert_eq!(polled.expect("a process").pending, [expected]);
        assert_eq!(
            targets(&requester, &request).await,
            [Target::new(runs[0].id, TargetState::Live)]
        );

        let receipt = Receipt::new(request.id(), runs[0].id, Received::First);
        let end = RunEnd::new(runs[0].id, Status::Cancelled);
        finish(&worker, &[receipt], &[end]).await;
        requester.hint().await;
        let received = TargetState::Received(Received::First);
        assert_eq!(targets(&requester, &request).await, [Target::new(runs[0].id, received)]);
        assert_eq!(pending(&worker).await, []);
    });
}

#[test]
fn repeats_change_nothing() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let worker = Member::connected(&fresh_scope()).await;
        let runs = [plain(), plain()];
        begin(&worker, &[runs[0].clone(), runs[0].clone()]).await;
        begin(&worker, &runs).await;
        let first = Request::run(runs[0].id, "first");
        ask(&worker, &first).await;
        // The first request counts, even if the second one differs.
        ask(&worker, &Request::run(runs[1].id, "second").with_id(first.id())).await;
        assert_eq!(pending(&worker).await, [(first.id(), runs[0].id)]);

        let receipts = [Received::Later, Received::First]
            .map(|received| Receipt::new(first.id(), runs[0].id, received));
        let ends =
            [Status::Completed, Status::Failed].map(|status| RunEnd::new(runs[0].id, status));
        finish(&worker, &receipts, &ends).await;
        finish(&worker, &receipts[1..], &ends[1..]).await;
        let received = TargetState::Received(Received::Later);
        assert_eq!(targets(&worker, &first).await, [Target::new(runs[0].id, received)]);
        begin(&worker, &runs[..1]).await;
        let client = crate::support::client(crate::support::server()).await;
        let sql = "SELECT outcome FROM cancelable.runs WHERE id = $1";
        let outcome: Vec<String> =
            client.query_scalar(sql, &[&runs[0].id.as_uuid()]).await.expect("a row");
        assert_eq!(outcome, ["completed"]);
    });
}

#[test]
fn a_request_waits_for_its_run() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let scope = fresh_scope();
        let (worker, requester) =
            (Member::connected(&scope).await, Member::connected(&scope).await);
        let run = plain();
        let request = Request::run(run.id, "too early");
        let short = Request::run(run.id, "gone").keep_for(Duration::from_millis(1));
        ask(&requester, &request).await;
        ask(&requester, &short).await;
        assert_eq!(
            targets(&requester, &request).await,
            [Target::new(run.id, TargetState::NotBegun)]
        );
        smol::Timer::after(Duration::from_millis(5)).await;
        begin(&worker, std::slice::from_ref(&run)).await;
        assert_eq!(pending(&worker).await, [(request.id(), run.id)]);
        assert_eq!(targets(&requester, &short).await, [Target::new(run.id, TargetState::NotBegun)]);
    });
}

#[test]
fn a_key_reaches_the_runs_of_now() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let worker = Member::connected(&fresh_scope()).await;
        let runs = [keyed("a"), keyed("b"), keyed("a")];
        begin(&worker, &runs).await;
        finish(&worker, &[], &[RunEnd::new(runs[2].id, Status::Completed)]).await;
        let request = Request::key(key("a"), "stop");
        ask(&worker, &request).await;
        begin(&worker, &[keyed("a")]).await;
        assert_eq!(pending(&worker).await, [(request.id(), runs[0].id)]);
        assert_eq!(targets(&worker, &request).await.len(), 1);
    });
}

#[test]
fn a_block_reaches_later_runs() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let scope = fresh_scope();
        let worker = Member::connected(&scope).await;
        let (before, during, after) = (keyed("a"), keyed("a"), keyed("a"));
        begin(&worker, std::slice::from_ref(&before)).await;
        let block = Request::block(key("a"), HOUR, "blocked");
        ask(&worker, &block).await;
        begin(&worker, &[during.clone(), keyed("b")]).await;
        assert_eq!(worker.unblock(&scope, &key("a")).await.expect("an answer"), 1);
        assert_eq!(worker.unblock(&scope, &key("a")).await.expect("an answer"), 0);
        begin(&worker, std::slice::from_ref(&after)).await;
        let mut expected = [(block.id(), before.id), (block.id(), during.id)];
        expected.sort();
        assert_eq!(pending(&worker).await, expected);
        let receipts = expected.map(|(request, run)| Receipt::new(request, run, Received::First));
        finish(&worker, &receipts, &[]).await;
        assert_eq!(pending(&worker).await, []);
        assert_eq!(targets(&worker, &block).await.len(), 2);
    });
}

#[test]
fn scopes_are_apart() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let (here, there) =
            (Member::connected(&fresh_scope()).await, Member::connected(&fresh_scope()).await);
        let run = keyed("a");
        begin(&here, std::slice::from_ref(&run)).await;
        let requests = [
            Request::run(run.id, "not mine"),
            Request::key(key("a"), "not mine"),
            Request::block(key("a"), HOUR, "not mine"),
        ];
        for request in &requests {
            ask(&there, request).await;
        }
        assert_eq!(pending(&here).await, []);
        assert_eq!(
            targets(&there, &requests[0]).await,
            [Target::new(run.id, TargetState::NotBegun)]
        );
        assert_eq!(here.unblock(&here.process.scope, &key("a")).await.expect("an answer"), 0);
    });
}

#[test]
fn a_run_belongs_to_one_process() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let scope = fresh_scope();
        let (first, second) = (Member::connected(&scope).await, Member::connected(&scope).await);
        let (run, other) = (plain(), plain());
        begin(&first, std::slice::from_ref(&run)).await;
        let runs = [run.clone(), other];
        let refused = second.begin(second.process.id, &runs).await.expect("an insert");
        assert_eq!(refused, [run.id]);
        finish(&second, &[], &[RunEnd::new(run.id, Status::Failed)]).await;
        let request = Request::run(run.id, "stop");
        ask(&second, &request).await;
        assert_eq!(targets(&second, &request).await, [Target::new(run.id, TargetState::Live)]);
        assert_eq!(pending(&second).await, []);
        assert_eq!(pending(&first).await, [(request.id(), run.id)]);
    });
}

#[test]
fn an_unknown_process_learns_that() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let member = Member::connected(&fresh_scope()).await;
        let stranger = Process::new(fresh_scope(), "nowhere");
        assert_eq!(member.poll(stranger.id, LEASE).await.expect("an answer"), None);
        let run = plain();
        let refused = member.begin(stranger.id, std::slice::from_ref(&run)).await;
        assert_eq!(refused.expect("an answer"), []);
        let request = Request::run(run.id, "stop");
        ask(&member, &request).await;
        assert_eq!(targets(&member, &request).await, [Target::new(run.id, TargetState::NotBegun)]);
        let missing = member.targets(&[RequestId::new()]).await.expect("an answer");
        assert_eq!(missing, []);
    });
}

#[test]
fn a_lease_ends() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let scope = fresh_scope();
        let (worker, requester) =
            (Member::connected(&scope).await, Member::connected(&scope).await);
        let run = plain();
        begin(&worker, std::slice::from_ref(&run)).await;
        let request = Request::run(run.id, "stop");
        ask(&requester, &request).await;
        worker.leave(worker.process.id).await.expect("an update");
        assert_eq!(
            targets(&requester, &request).await,
            [Target::new(run.id, TargetState::LeaseOver)]
        );
        assert_eq!(pending(&worker).await, [(request.id(), run.id)]);
        assert_eq!(targets(&requester, &request).await, [Target::new(run.id, TargetState::Live)]);
        finish(&worker, &[], &[RunEnd::new(run.id, Status::Completed)]).await;
        assert_eq!(targets(&requester, &request).await, [Target::new(run.id, TargetState::Ended)]);
    });
}

#[test]
fn reasons_cross_as_data() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let worker = Member::connected(&fresh_scope()).await;
        let reasons = [
            Reason::Disconnected,
            Reason::timeout(Duration::from_secs(3)),
            Reason::error(std::io::Error::other("no disk")),
            Reason::Manual { message: None },
            Reason::manual("quotes ' \" \\ and \u{1F980}"),
        ];
        for reason in reasons {
            let run = plain();
            begin(&worker, std::slice::from_ref(&run)).await;
            let sent = RemoteReason::from(reason);
            ask(&worker, &Request::run(run.id, sent.clone())).await;
            let polled = worker.poll(worker.process.id, LEASE).await.expect("an answer");
            let pending = polled.expect("a process").pending;
            let got = pending.into_iter().find(|one| one.run == run.id).expect("the request");
            assert_eq!(got.reason, sent);
        }
    });
}

#[test]
fn the_longest_names_fit() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let long = "\u{e9}".repeat(100);
        let scope = Scope::new(long.clone()).expect("a scope");
        let worker = Member::connected(&scope).await;
        let run = NewRun::new(RunId::new(), Some(Key::new(long.clone()).expect("a key")), long);
        let request = Request::block(run.key.clone().expect("a key"), HOUR, "x".repeat(1000));
        ask(&worker, &request).await;
        begin(&worker, std::slice::from_ref(&run)).await;
        assert_eq!(pending(&worker).await, [(request.id(), run.id)]);
        worker.unblock(&scope, &run.key.expect("a key")).await.expect("an answer");
    });
}
