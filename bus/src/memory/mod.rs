//! `Memory`: the store in memory, for tests and for a single process.

mod fault;
mod listener;
mod tables;

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use cancelable::timeout;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::engine::{
    Engine, Enrolled, NewRun, Polled, Process, ProcessStatus, Receipt, RunEnd, Target,
};
use crate::id::{ProcessId, RequestId, RunId};
use crate::name::{Key, Scope};
use crate::request::Request;
use crate::time::StoreTime;
pub use fault::{Call, Fault, Unreachable};
use listener::Listener;
use tables::{Hints, Tables};

/// Where the clock of the store starts, so that its times look like real ones.
const EPOCH: StoreTime = StoreTime::from_micros(1_000_000_000_000_000);

type Faults = dyn FnMut(Call) -> Fault + Send;

/// A store in memory, and one connection to it.
///
/// Use it in tests, and in a program that is a single process. Each process, or each part of a test that stands for a
/// process, needs a connection of its own.
///
/// In tests, [`with_faults`](Self::with_faults) makes calls fail and loses hints, and the clock of the store is the virtual
/// clock of `cancelable::testing`.
///
/// # Examples
///
/// ```
/// use cancelable_bus::{Bus, Memory};
///
/// let store = Memory::new();
/// let (first, first_driver) = Bus::builder(store.connection()).build()?;
/// let (second, second_driver) = Bus::builder(store.connection()).build()?;
/// # assert_ne!(first.process(), second.process());
/// # Ok::<(), cancelable_bus::Invalid>(())
/// ```
pub struct Memory {
    store: Arc<Store>,
    listener: Arc<Listener>,
    faults: Option<Mutex<Box<Faults>>>,
}

#[derive(Debug)]
struct Store {
    clock: Clock,
    tables: Mutex<Tables>,
}

impl Memory {
    /// Creates an empty store, and a connection to it.
    #[allow(clippy::new_without_default, reason = "each store is another one")]
    pub fn new() -> Self {
        let store = Store { clock: Clock::start(), tables: Mutex::default() };
        Memory { store: Arc::new(store), listener: Arc::default(), faults: None }
    }

    /// Creates another connection to the same store.
    pub fn connection(&self) -> Self {
        Memory { store: self.store.clone(), listener: Arc::default(), faults: None }
    }

    /// Calls `decide` for each call on this connection and for each hint that arrives, and applies the fault that `decide`
    /// returns.
    ///
    /// ```
    /// use cancelable_bus::Memory;
    /// use cancelable_bus::memory::{Call, Fault};
    /// // Only the polls find what has changed.
    /// let deaf = Memory::new().with_faults(|call| match call {
    ///     Call::Hint => Fault::Before,
    ///     _ => Fault::None,
    /// });
    /// # assert!(format!("{deaf:?}").starts_with("Memory"));
    /// ```
    #[must_use]
    pub fn with_faults(mut self, decide: impl FnMut(Call) -> Fault + Send + 'static) -> Self {
        self.faults = Some(Mutex::new(Box::new(decide)));
        self
    }

    fn now(&self) -> StoreTime {
        EPOCH + self.store.clock.now()
    }

    fn fault(&self, call: Call) -> Fault {
        self.faults.as_ref().map_or(Fault::None, |decide| decide.lock()(call))
    }

    /// Runs a transaction, with the fault that the test has chosen for this call.
    async fn transact<R>(
        &self,
        call: Call,
        transaction: impl Fn(&mut Tables, StoreTime) -> (R, Hints),
    ) -> Result<R, Unreachable> {
        let run = || {
            let now = self.now();
            let (result, hints) = transaction(&mut self.store.tables.lock(), now);
            hints.iter().for_each(|listener| listener.notify());
            result
        };
        match self.fault(call) {
            Fault::None => Ok(run()),
            Fault::Before => Err(Unreachable { call }),
            Fault::After => {
                run();
                Err(Unreachable { call })
            }
            Fault::Twice => {
                run();
                Ok(run())
            }
            Fault::Late(by) => {
                timeout(by).await;
                Ok(run())
            }
            Fault::Silent => {
                run();
                pending().await
            }
        }
    }
}

impl Engine for Memory {
    type Error = Unreachable;

    async fn drive(&self) -> Infallible {
        pending().await
    }

    async fn hint(&self) {
        loop {
            self.listener.take().await;
            match self.fault(Call::Hint) {
                Fault::Before | Fault::After | Fault::Silent => continue,
                Fault::None => {}
                Fault::Twice => self.listener.notify(),
                Fault::Late(by) => _ = timeout(by).await,
            }
            return;
        }
    }

    async fn connect(&self, process: &Process, lease: Duration) -> Result<Enrolled, Unreachable> {
        self.transact(Call::Connect, |tables, now| {
            (tables.connect(process, now + lease, &self.listener), Hints::new())
        })
        .await
    }

    async fn poll(
        &self,
        process: ProcessId,
        lease: Duration,
    ) -> Result<Option<Polled>, Unreachable> {
        self.transact(Call::Poll, |tables, now| {
            let pending = tables.poll(process, now + lease);
            (pending.map(|pending| Polled::new(now, pending)), Hints::new())
        })
        .await
    }

    async fn begin(&self, process: ProcessId, runs: &[NewRun]) -> Result<Vec<RunId>, Unreachable> {
        self.transact(Call::Begin, |tables, now| (tables.begin(process, runs, now), Hints::new()))
            .await
    }

    async fn finish(
        &self,
        process: ProcessId,
        receipts: &[Receipt],
        ends: &[RunEnd],
    ) -> Result<(), Unreachable> {
        self.transact(Call::Finish, |tables, now| ((), tables.finish(process, receipts, ends, now)))
            .await
    }

    async fn request(&self, requester: &Process, request: &Request) -> Result<(), Unreachable> {
        self.transact(Call::Request, |tables, now| ((), tables.request(requester, request, now)))
            .await
    }

    async fn unblock(&self, scope: &Scope, key: &Key) -> Result<u64, Unreachable> {
        self.transact(Call::Unblock, |tables, now| (tables.unblock(scope, key, now), Hints::new()))
            .await
    }

    async fn targets(
        &self,
        requests: &[RequestId],
    ) -> Result<Vec<(RequestId, Vec<Target>)>, Unreachable> {
        self.transact(Call::Targets, |tables, now| (tables.targets(requests, now), Hints::new()))
            .await
    }

    async fn processes(&self, scope: &Scope) -> Result<Vec<ProcessStatus>, Unreachable> {
        self.transact(Call::Processes, |tables, now| (tables.processes(scope, now), Hints::new()))
            .await
    }

    async fn forget(&self, retention: Duration, at_most: u32) -> Result<u64, Unreachable> {
        self.transact(Call::Forget, |tables, now| {
            (tables.forget(now, retention, at_most as usize), Hints::new())
        })
        .await
    }

    async fn leave(&self, process: ProcessId) -> Result<(), Unreachable> {
        self.transact(Call::Leave, |tables, now| (tables.leave(process, now), Hints::new())).await
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("has_faults", &self.faults.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Received, TargetState};
    use cancelable::{Status, testing};

    const LEASE: Duration = Duration::from_secs(15);

    /// Runs a call, which is ready at once.
    fn now<T>(call: impl Future<Output = Result<T, Unreachable>>) -> T {
        testing::run(call).unwrap()
    }

    fn sizes(memory: &Memory) -> [usize; 6] {
        memory.store.tables.lock().sizes()
    }

    #[test]
    fn nothing_is_left_after_the_retention_time() {
        let time = testing::pause();
        let memory = Memory::new();
        let key = Key::new("k").unwrap();
        let process = Process::new(Scope::new("s").unwrap(), "");
        assert_eq!(now(memory.connect(&process, LEASE)), Enrolled::New);
        let runs = [RunId::new(), RunId::new()].map(|id| NewRun::new(id, Some(key.clone()), ""));
        assert_eq!(now(memory.begin(process.id, &runs)), []);
        let requests = [
            Request::key(key.clone(), "stop"),
            Request::block(key.clone(), LEASE, "stop"),
            Request::run(RunId::new(), "stop"),
        ];
        for request in &requests {
            now(memory.request(&process, request));
        }
        assert_eq!(now(memory.poll(process.id, LEASE)).unwrap().pending.len(), 4);
        let receipt = Receipt::new(requests[0].id(), runs[0].id, Received::First);
        let ends = runs.each_ref().map(|run| RunEnd::new(run.id, Status::Cancelled));
        now(memory.finish(process.id, &[receipt], &ends));
        assert_eq!(now(memory.poll(process.id, LEASE)).unwrap().pending, []);
        assert_eq!(sizes(&memory), [1, 2, 3, 3, 0, 1]);

        assert_eq!(now(memory.forget(LEASE, 9)), 0);
        time.advance(Duration::from_secs(3600) + LEASE);
        assert_eq!(now(memory.forget(LEASE, 9)), 4);
        time.advance(Duration::from_secs(1));
        assert_eq!(now(memory.forget(LEASE, 9)), 2);
        assert_eq!(sizes(&memory), [0; 6]);
    }

    #[test]
    fn deleted_run_takes_its_receipts_along() {
        let time = testing::pause();
        let memory = Memory::new();
        let key = Key::new("k").unwrap();
        let process = Process::new(Scope::new("s").unwrap(), "");
        now(memory.connect(&process, LEASE));
        let run = RunId::new();
        now(memory.begin(process.id, &[NewRun::new(run, Some(key.clone()), "")]));
        let requests = [Request::run(run, "stop"), Request::key(key, "stop")];
        for request in &requests {
            now(memory.request(&process, request));
            let receipt = Receipt::new(request.id(), run, Received::First);
            now(memory.finish(process.id, &[receipt], &[RunEnd::new(run, Status::Cancelled)]));
        }
        time.advance(LEASE * 2);
        now(memory.forget(LEASE, 9));
        // The requester of a request for one run still learns what became of it.
        let left = now(memory.targets(&requests.each_ref().map(Request::id)));
        let received = Target::new(run, TargetState::Received(Received::First));
        assert_eq!(left, [(requests[0].id(), vec![received]), (requests[1].id(), vec![])]);
    }

    #[test]
    fn process_leaves_its_ended_runs() {
        let time = testing::pause();
        let memory = Memory::new();
        let process = Process::new(Scope::new("s").unwrap(), "");
        now(memory.connect(&process, LEASE));
        let runs = [RunId::new(), RunId::new()];
        now(memory.begin(process.id, &runs.map(|run| NewRun::new(run, None, ""))));
        let requests = runs.map(|run| Request::run(run, "stop"));
        for request in &requests {
            now(memory.request(&process, request));
        }
        time.advance(LEASE * 3);
        now(memory.finish(process.id, &[], &[RunEnd::new(runs[0], Status::Completed)]));
        // The process and its live run are deleted. The other run has only just ended.
        assert_eq!(now(memory.forget(LEASE, 1)), 2);
        let left = now(memory.targets(&requests.each_ref().map(Request::id)));
        let states = left.into_iter().flat_map(|(_, targets)| targets).map(|target| target.state);
        assert!(states.eq([TargetState::Ended, TargetState::NotBegun]));
    }

    #[test]
    fn unconfirmed_run_keeps_its_block() {
        let time = testing::pause();
        let memory = Memory::new();
        let key = Key::new("k").unwrap();
        let process = Process::new(Scope::new("s").unwrap(), "");
        now(memory.connect(&process, LEASE * 9));
        let block = Request::block(key.clone(), LEASE, "stop");
        now(memory.request(&process, &block));
        let run = RunId::new();
        now(memory.begin(process.id, &[NewRun::new(run, Some(key), "")]));
        time.advance(LEASE * 3);
        assert_eq!(now(memory.forget(LEASE, 9)), 0);
        let receipt = Receipt::new(block.id(), run, Received::First);
        now(memory.finish(process.id, &[receipt], &[]));
        assert_eq!(now(memory.forget(LEASE, 9)), 1);
    }

    #[test]
    fn live_target_keeps_its_request() {
        let time = testing::pause();
        let memory = Memory::new();
        let process = Process::new(Scope::new("s").unwrap(), "");
        now(memory.connect(&process, LEASE));
        let run = RunId::new();
        now(memory.begin(process.id, &[NewRun::new(run, None, "")]));
        let request = Request::run(run, "stop").keep_for(LEASE);
        now(memory.request(&process, &request));
        time.advance(LEASE * 10);
        assert_eq!(now(memory.poll(process.id, LEASE)).unwrap().pending.len(), 1);
        assert_eq!(now(memory.forget(LEASE, 9)), 0);
        let targets = now(memory.targets(&[request.id(), RequestId::new()]));
        assert_eq!(targets, [(request.id(), vec![Target::new(run, TargetState::Live)])]);
    }
}
