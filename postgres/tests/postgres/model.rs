//! Random sequences of calls, to the server and to the store in memory. Both return the same, and the server gives each hint
//! that the store in memory gives.
//!
//! Each call is one transaction, so a sequence is one interleaving of what processes and requesters do. What happens between two
//! transactions that overlap is in `interleavings`.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::Status;
use cancelable_bus::engine::{
    Engine, Enrolled, NewRun, Process, Receipt, Received, RunEnd, Target, TargetState,
};
use cancelable_bus::{Key, Memory, Recipient, Request, RequestId, RunId, Scope};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{LEASE, Member, database, fresh_scope, server, watchdog};

const PROCESSES: usize = 3;
const RUNS: usize = 6;
const REQUESTS: usize = 11;
const HOUR: Duration = Duration::from_secs(3600);

/// A call. The numbers choose among the processes, runs, keys and requests of the history.
#[derive(Clone, Debug)]
enum Call {
    Connect(usize),
    Poll(usize),
    Begin(usize, Vec<usize>),
    Finish {
        process: usize,
        receipts: Vec<(usize, usize, Received)>,
        ends: Vec<usize>,
    },
    Request {
        requester: usize,
        request: usize,
    },
    Unblock(usize, usize),
    Leave(usize),
    /// Deletes everything that is old, with a retention time of zero.
    Forget(usize),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let received =
        prop_oneof![Just(Received::First), Just(Received::Later), Just(Received::AlreadyEnded)];
    let receipts = vec((0..REQUESTS, 0..RUNS, received), 0..3);
    let call = prop_oneof![
        1 => (0..PROCESSES).prop_map(Call::Connect),
        4 => (0..PROCESSES).prop_map(Call::Poll),
        4 => (0..PROCESSES, vec(0..RUNS, 0..4)).prop_map(|(p, runs)| Call::Begin(p, runs)),
        3 => (0..PROCESSES, receipts, vec(0..RUNS, 0..3))
            .prop_map(|(process, receipts, ends)| Call::Finish { process, receipts, ends }),
        5 => (0..PROCESSES, 0..REQUESTS).prop_map(|(requester, request)| Call::Request { requester, request }),
        1 => (0..PROCESSES, 0..2usize).prop_map(|(p, key)| Call::Unblock(p, key)),
        1 => (0..PROCESSES).prop_map(Call::Leave),
        1 => (0..PROCESSES).prop_map(Call::Forget),
    ];
    vec(call, 10..60)
}

fn key(choice: usize) -> Key {
    Key::new(format!("key {choice}")).expect("a key")
}

/// Both stores, with the same processes, runs and requests.
struct History {
    servers: Vec<Member>,
    memories: Vec<Memory>,
    runs: Vec<NewRun>,
    requests: Vec<Request>,
}

impl History {
    /// Starts the processes, with a database on the server. The last process is in a scope of its own.
    async fn new(url: &str) -> Self {
        let (scope, other) = (fresh_scope(), fresh_scope());
        let store = Memory::new();
        let (mut servers, mut memories) = (Vec::new(), Vec::new());
        for place in 0..PROCESSES {
            let scope: &Scope = if place + 1 < PROCESSES { &scope } else { &other };
            servers.push(Member::at(url, server().port(), scope));
            memories.push(store.connection());
        }
        // Two of three runs have a key.
        let keys = (0..RUNS).map(|run| (run % 3 < 2).then(|| key(run % 3)));
        let runs: Vec<_> = keys.map(|key| NewRun::new(RunId::new(), key, "run")).collect();
        let recipients = (0..5).map(|run| Recipient::Run(runs[run].id));
        let recipients = recipients.chain((0..2).map(|of| Recipient::Key(key(of))));
        let recipients = recipients.chain((0..4).map(|of| Recipient::Block(key(of % 2))));
        let requests = recipients.enumerate().map(|(place, recipient)| {
            // The lifetime of the first two requests is over before the next call.
            let lifetime = if place < 2 { Duration::from_micros(1) } else { HOUR };
            Request::new(recipient, format!("request {place}")).keep_for(lifetime)
        });
        let requests: Vec<_> = requests.collect();
        assert_eq!(requests.len(), REQUESTS);
        let history = History { servers, memories, runs, requests };
        for place in 0..PROCESSES {
            assert_eq!(history.connect(place).await, Enrolled::New);
        }
        history
    }

    async fn connect(&self, place: usize) -> Enrolled {
        let (server, memory) = (&self.servers[place], &self.memories[place]);
        let enrolled = server.connect(&server.process, LEASE).await.expect("an answer");
        let expected = memory.connect(&server.process, LEASE).await.expect("an answer");
        assert_eq!(enrolled, expected);
        enrolled
    }

    async fn call(&self, call: &Call) {
        match call {
            Call::Connect(place) => _ = self.connect(*place).await,
            Call::Poll(place) => self.poll(*place).await,
            Call::Begin(place, runs) => {
                let runs: Vec<_> = runs.iter().map(|run| self.runs[*run].clone()).collect();
                let (server, memory, id) = self.at(*place);
                let mut refused = server.begin(id.id, &runs).await.expect("an answer");
                let mut expected = memory.begin(id.id, &runs).await.expect("an answer");
                for refused in [&mut refused, &mut expected] {
                    refused.sort();
                    refused.dedup();
                }
                assert_eq!(refused, expected);
                // The driver polls after each beginning.
                self.poll(*place).await;
            }
            Call::Finish { process, receipts, ends } => {
                let receipt = |(request, run, received): &(usize, usize, Received)| {
                    Receipt::new(self.requests[*request].id(), self.runs[*run].id, *received)
                };
                let receipts: Vec<_> = receipts.iter().map(receipt).collect();
                let end = |run: &usize| RunEnd::new(self.runs[*run].id, Status::Cancelled);
                let ends: Vec<_> = ends.iter().map(end).collect();
                let (server, memory, id) = self.at(*process);
                server.finish(id.id, &receipts, &ends).await.expect("an answer");
                memory.finish(id.id, &receipts, &ends).await.expect("an answer");
            }
            Call::Request { requester, request } => {
                let (server, memory, process) = self.at(*requester);
                server.request(process, &self.requests[*request]).await.expect("an answer");
                memory.request(process, &self.requests[*request]).await.expect("an answer");
            }
            Call::Unblock(place, choice) => {
                let (server, memory, process) = self.at(*place);
                let lifted = server.unblock(&process.scope, &key(*choice)).await;
                let expected = memory.unblock(&process.scope, &key(*choice)).await;
                assert_eq!(lifted.expect("an answer"), expected.expect("an answer"));
            }
            Call::Leave(place) => {
                let (server, memory, process) = self.at(*place);
                server.leave(process.id).await.expect("an answer");
                memory.leave(process.id).await.expect("an answer");
            }
            Call::Forget(place) => {
                let (server, memory, _) = self.at(*place);
                // The numbers of deleted rows may differ: the store in memory counts no targets.
                server.forget(Duration::ZERO, 1000).await.expect("an answer");
                memory.forget(Duration::ZERO, 1000).await.expect("an answer");
            }
        }
    }

    fn at(&self, place: usize) -> (&Member, &Memory, &Process) {
        (&self.servers[place], &self.memories[place], &self.servers[place].process)
    }

    /// Polls both stores. Neither answers a process that was forgotten, until it connects again.
    async fn poll(&self, place: usize) {
        let (server, memory, process) = self.at(place);
        let answers = [
            server.poll(process.id, LEASE).await.expect("an answer"),
            memory.poll(process.id, LEASE).await.expect("an answer"),
        ];
        let [pending, expected] = answers.map(|answer| {
            let mut pending = answer.map(|polled| polled.pending);
            pending
                .iter_mut()
                .for_each(|pending| pending.sort_by_key(|one| (one.request, one.run)));
            pending
        });
        assert_eq!(pending, expected);
    }

    fn is_block(&self, id: RequestId) -> bool {
        let request = self.requests.iter().find(|request| request.id() == id);
        request.is_some_and(|request| matches!(request.recipient(), Recipient::Block(_)))
    }

    /// Compares what each requester would learn, and waits for the hints that the store in memory has given.
    async fn compare(&self) {
        let ids: Vec<RequestId> = self.requests.iter().map(Request::id).collect();
        let sorted = |mut all: Vec<(RequestId, Vec<Target>)>| {
            all.sort_by_key(|(id, _)| *id);
            all.iter_mut().for_each(|(_, targets)| targets.sort_by_key(|target| target.run));
            all
        };
        let mut targets = sorted(self.servers[0].targets(&ids).await.expect("an answer"));
        let expected = sorted(self.memories[0].targets(&ids).await.expect("an answer"));
        // A store need not name the runs that began under a block before they have a receipt.
        for (id, targets) in &mut targets {
            let known = expected.iter().find(|(expected, _)| expected == id);
            targets.retain(|target| {
                let is_known =
                    known.is_some_and(|(_, known)| known.iter().any(|t| t.run == target.run));
                is_known || matches!(target.state, TargetState::Received(_)) || !self.is_block(*id)
            });
        }
        assert_eq!(targets, expected);
        let scope = &self.servers[0].process.scope;
        let mut statuses = self.servers[0].processes(scope).await.expect("an answer");
        let mut expected = self.memories[0].processes(scope).await.expect("an answer");
        for statuses in [&mut statuses, &mut expected] {
            statuses.sort_by_key(|status| status.process);
        }
        assert_eq!(statuses, expected);
        for place in 0..PROCESSES {
            let mut hint = pin!(self.memories[place].hint());
            let is_given = poll_fn(|context| Poll::Ready(hint.as_mut().poll(context).is_ready()));
            if is_given.await {
                let late = async {
                    smol::Timer::after(Duration::from_secs(20)).await;
                    panic!("the server gave no hint to process {place}")
                };
                smol::future::or(self.servers[place].hint(), late).await;
            }
        }
    }
}

#[test]
fn the_server_does_what_the_store_in_memory_does() {
    let _watchdog = watchdog();
    // Connecting takes longest, so the histories are few and long.
    let config =
        Config { cases: 12, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let url = smol::block_on(database("model"));
    let outcome = TestRunner::new(config).run(&calls(), |calls| {
        smol::block_on(async {
            let history = History::new(&url).await;
            for call in &calls {
                history.call(call).await;
                history.compare().await;
            }
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
