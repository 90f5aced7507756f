//! A run begins while a request is made. The test holds up the commit of one of the two, so that neither sees the
//! other's rows.

use std::time::Duration;

use cancelable_bus::engine::{Engine, NewRun};
use cancelable_bus::{Key, Request, RunId};
use cancelable_postgres::tokio_postgres::Client;

use crate::support::{LEASE, Member, client, fresh_scope, server, watchdog};

/// Rows with the name or message `held` wait for a lock after everything else that their statement does.
const TRIGGERS: &str = "
CREATE OR REPLACE FUNCTION cancelable.wait() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
CREATE OR REPLACE TRIGGER wait AFTER INSERT ON cancelable.runs
    FOR EACH ROW WHEN (NEW.name = 'held') EXECUTE FUNCTION cancelable.wait();
CREATE OR REPLACE TRIGGER wait AFTER INSERT ON cancelable.requests
    FOR EACH ROW WHEN (NEW.message = 'held') EXECUTE FUNCTION cancelable.wait();
";

/// Waits until a commit is held up.
async fn until_held(client: &Client) {
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while client.query_one_scalar::<i64, _>(sql, &[]).await.expect("a number") == 0 {
        smol::Timer::after(Duration::from_millis(1)).await;
    }
}

async fn is_pending(worker: &Member, request: &Request, run: &NewRun) -> bool {
    let polled = worker.poll(worker.process.id, LEASE).await.expect("an answer");
    let pending = polled.expect("a process").pending;
    pending.iter().any(|one| one.request == request.id() && one.run == run.id)
}

/// Both kinds of requests that can be for a run that begins at the same time.
fn requests(run: &NewRun, message: &'static str) -> [Request; 2] {
    let key = run.key.clone().expect("a key");
    [Request::run(run.id, message), Request::block(key, Duration::from_secs(60), message)]
}

fn key_of(choice: usize) -> Key {
    Key::new(choice.to_string()).expect("a key")
}

fn keyed(name: &'static str) -> NewRun {
    NewRun::new(RunId::new(), Some(Key::new("k").expect("a key")), name)
}

/// This is a single test, because all cases use the same lock.
#[test]
fn neither_sees_the_other() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let scope = fresh_scope();
        let (worker, requester) =
            (Member::connected(&scope).await, Member::connected(&scope).await);
        let client = client(server()).await;
        client.batch_execute(TRIGGERS).await.expect("triggers");

        for choice in 0..2 {
            // When the request is made, the run has begun but is not committed.
            client.execute("SELECT pg_advisory_lock(1)", &[]).await.expect("a lock");
            let run = keyed("held");
            let request = &requests(&run, "stop")[choice];
            let runs = [run.clone()];
            let begun = async {
                let refused = worker.begin(worker.process.id, &runs).await.expect("an insert");
                assert_eq!(refused, []);
            };
            let asked = async {
                until_held(&client).await;
                requester.request(&requester.process, request).await.expect("a request");
                client.execute("SELECT pg_advisory_unlock(1)", &[]).await.expect("an unlock");
            };
            futures::join!(begun, asked);
            // The bus reads after each run that begins.
            assert!(is_pending(&worker, request, &run).await);
        }

        // Discards earlier hints, so that they are not mistaken for the hints that follow.
        while futures::poll!(std::pin::pin!(worker.hint())).is_ready() {}
        for choice in 0..2 {
            // When the run begins and reads, the request has been made but is not committed.
            client.execute("SELECT pg_advisory_lock(1)", &[]).await.expect("a lock");
            let run = keyed("free");
            let request = &requests(&run, "held")[choice];
            let asked = async {
                requester.request(&requester.process, request).await.expect("a request");
            };
            let begun = async {
                until_held(&client).await;
                let runs = [run.clone()];
                worker.begin(worker.process.id, &runs).await.expect("an insert");
                assert!(!is_pending(&worker, request, &run).await);
                client.execute("SELECT pg_advisory_unlock(1)", &[]).await.expect("an unlock");
            };
            futures::join!(asked, begun);
            // The process gets the request, although the request could not see that the run belongs to it.
            worker.hint().await;
            assert!(is_pending(&worker, request, &run).await);
        }
    });
}

/// A requester crashes after the first of its two transactions, while a run begins.
#[test]
fn a_crashed_requester_is_replaced() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let worker = Member::connected(&fresh_scope()).await;
        let client = client(server()).await;
        for choice in 0..2 {
            let run = NewRun::new(RunId::new(), Some(key_of(choice)), "");
            let request = &requests(&run, "stop")[choice];
            worker.begin(worker.process.id, std::slice::from_ref(&run)).await.expect("an insert");
            worker.request(&worker.process, request).await.expect("a request");
            // Undoes the part in which the request finds the run.
            let sql =
                ["UPDATE cancelable.targets SET process = NULL", "DELETE FROM cancelable.targets"];
            let sql = format!("{} WHERE request = $1", sql[choice]);
            let changed = client.execute(&sql, &[&request.id().as_uuid()]).await;
            assert_eq!(changed.expect("a row"), 1);
            while !is_pending(&worker, request, &run).await {
                smol::Timer::after(Duration::from_millis(20)).await;
            }
        }
    });
}
