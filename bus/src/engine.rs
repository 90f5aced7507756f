//! `Engine`: what a store does for the bus. Only implementations of stores need this module.
//!
//! A store holds four tables. The engine chooses their columns, as long as its methods can return what they have to.
//!
//! | table | a row is |
//! |---|---|
//! | processes | a [`Process`], and the time until which its lease lasts |
//! | runs | a [`NewRun`], the process that began it, the time at which it began, and its [`RunEnd`] once it has ended |
//! | requests | a [`Request`], its scope, the requester, and the time at which its lifetime ends |
//! | targets | a request, a run that must get it, and the [`Receipt`] once the process of the run has written it |
//!
//! # Rules
//!
//! 1. Each method is one transaction. It returns `Ok` only after the commit.
//! 2. A call may be dropped at any time, or return an error although it has been committed. The bus then makes the same call
//!    again. So a repeated call must change nothing.
//! 3. All times come from the clock of the store, which is read within the transaction.
//! 4. A [hint](Engine::hint) may be lost, repeated or late. The tables are the truth.
//! 5. A read must not ask only for rows that are newer than the last row that was seen. Transactions may commit in a
//!    different order than they began, so such a read would miss rows.
//!
//! # When a request has a run as its target
//!
//! | recipient | the run is a target if |
//! |---|---|
//! | [`Run`](Recipient::Run) | it has that identifier, and it began before the lifetime of the request ended |
//! | [`Key`](Recipient::Key) | it had that key and had not ended when the transaction of the request looked |
//! | [`Block`](Recipient::Block) | the same, or it has that key and began before the lifetime of the request ended |
//!
//! In the first and the last case, the run may begin after the request. So each [`poll`](Engine::poll) looks for such
//! requests again. It cannot rely on the transaction that begins the run or on the transaction that makes the request to
//! find them: if these two transactions run at the same time, neither sees the rows of the other.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use cancelable::{Status, Text};

use crate::id::{ProcessId, RequestId, RunId};
use crate::name::{Key, Scope};
use crate::remote_reason::RemoteReason;
#[cfg(doc)]
use crate::request::Recipient;
use crate::request::Request;
use crate::time::StoreTime;

/// A process that takes part in the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its identifier.
    pub id: ProcessId,
    /// The scope that the process works in. All its runs and requests belong to this scope.
    pub scope: Scope,
    /// The name of its host, for people. At most 200 bytes. It may be empty.
    pub host: Text,
}

impl Process {
    /// Creates a process with a fresh identifier.
    pub fn new(scope: Scope, host: impl Into<Text>) -> Self {
        Process { id: ProcessId::new(), scope, host: host.into() }
    }
}

/// A run that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewRun {
    /// Its identifier.
    pub id: RunId,
    /// Its key, if it has one.
    pub key: Option<Key>,
    /// Its name, for people. At most 200 bytes. It may be empty.
    pub name: Text,
}

impl NewRun {
    /// Creates a run.
    pub fn new(id: RunId, key: Option<Key>, name: impl Into<Text>) -> Self {
        NewRun { id, key, name: name.into() }
    }
}

/// Whether [`Engine::connect`] found a row of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// There was no row, so the store has no runs of the process either. The bus begins all its live runs again.
    New,
    /// There was a row, and the store still has the runs that the process has begun.
    Known,
}

/// What [`Engine::poll`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Polled {
    /// The time of the store.
    pub now: StoreTime,
    /// The requests that runs of this process must get, in any order.
    pub pending: Vec<Pending>,
}

impl Polled {
    /// Creates an answer.
    pub fn new(now: StoreTime, pending: Vec<Pending>) -> Self {
        Polled { now, pending }
    }
}

/// A request that a run must get.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// The request.
    pub request: RequestId,
    /// The run.
    pub run: RunId,
    /// The reason of the request.
    pub reason: RemoteReason,
}

impl Pending {
    /// Creates a pending request.
    pub fn new(request: RequestId, run: RunId, reason: RemoteReason) -> Self {
        Pending { request, run, reason }
    }
}

/// What a process did with a request for one of its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Received {
    /// The process cancelled the operation, and no other cancellation had come before.
    First,
    /// The operation was still running, but already cancelled for another reason.
    Later,
    /// The operation had already ended.
    AlreadyEnded,
}

/// A process's confirmation that a run got a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Receipt {
    /// The request.
    pub request: RequestId,
    /// The run.
    pub run: RunId,
    /// What the process did with the request.
    pub received: Received,
}

impl Receipt {
    /// Creates a receipt.
    pub fn new(request: RequestId, run: RunId, received: Received) -> Self {
        Receipt { request, run, received }
    }
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunEnd {
    /// The run.
    pub run: RunId,
    /// The final status of its operation: completed, failed or cancelled.
    pub status: Status,
}

impl RunEnd {
    /// Creates the end of a run.
    pub fn new(run: RunId, status: Status) -> Self {
        RunEnd { run, status }
    }
}

/// A run that a request is for, as [`Engine::targets`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Target {
    /// The run.
    pub run: RunId,
    /// What the store knows about the run.
    pub state: TargetState,
}

impl Target {
    /// Creates a target.
    pub fn new(run: RunId, state: TargetState) -> Self {
        Target { run, state }
    }
}

/// What the store knows about a target of a request. The first variant that applies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetState {
    /// There is a receipt.
    Received(Received),
    /// There is no row of the run.
    NotBegun,
    /// The run has ended, and there is no receipt.
    Ended,
    /// The run has not ended, and its process has a lease.
    Live,
    /// The run has not ended, but the lease of its process is over, or the row of its process is gone.
    LeaseOver,
}

/// A process of a scope, as [`Engine::processes`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessStatus {
    /// The process.
    pub process: ProcessId,
    /// The name of its host.
    pub host: Text,
    /// Whether its lease lasts. If not, the process has left, has crashed, hangs, or cannot reach the store.
    pub has_lease: bool,
    /// How many of its runs have not ended.
    pub runs: u64,
    /// How many requests it has not confirmed yet, counted once for each run.
    pub unconfirmed: u64,
}

impl ProcessStatus {
    /// Creates a status without runs.
    pub fn new(process: ProcessId, host: impl Into<Text>, has_lease: bool) -> Self {
        ProcessStatus { process, host: host.into(), has_lease, runs: 0, unconfirmed: 0 }
    }
}

/// What a store does for the bus. See the [module](self) for the tables and for the rules that every method keeps.
///
/// One value serves one process. It owns a connection, or several. The futures of its methods are polled by the driver
/// of the bus and by the tasks of requesters, on any executor, and from several threads.
///
/// # Errors
///
/// Methods fail rather than wait while there is no connection: the bus has its own time limit and its own back-off.
pub trait Engine: Send + Sync + 'static {
    /// The error of the store.
    type Error: Error + Send + Sync + 'static;

    /// Drives the connection for as long as it is polled. The driver of the bus creates one such future at its start, and
    /// polls that future as long as the driver runs, beside the calls of the other methods. So an engine needs no task of
    /// its own.
    ///
    /// The future never completes. When a connection is lost, the future waits until [`connect`](Self::connect) has made the
    /// next one.
    ///
    /// # Cancel safety
    ///
    /// Once the future is dropped, this process does not use the engine again.
    fn drive(&self) -> impl Future<Output = Infallible> + Send;

    /// Waits until something may have changed for this process: one of its runs has a new request, or one of its
    /// requests has a new receipt. Also resolves after the connection was lost.
    ///
    /// If a change comes while no such future exists, it is remembered, and the next future resolves at once. Several
    /// changes may be reported as one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change. Only the driver of the bus calls this method, and it has at most one such future
    /// at a time.
    fn hint(&self) -> impl Future<Output = ()> + Send;

    /// Makes a new connection in place of any earlier one, starts to listen for hints, and then inserts the process or
    /// renews its lease.
    ///
    /// The driver calls this method first, and calls it again whenever one of its calls has failed or took too long.
    fn connect(
        &self,
        process: &Process,
        lease: Duration,
    ) -> impl Future<Output = Result<Enrolled, Self::Error>> + Send;

    /// Renews the lease of the process, and returns the requests that its live runs must get: each request that has such a
    /// run as a target, and for which this run has no receipt yet. If there is no row of the process, changes nothing and
    /// returns `None`.
    fn poll(
        &self,
        process: ProcessId,
        lease: Duration,
    ) -> impl Future<Output = Result<Option<Polled>, Self::Error>> + Send;

    /// Inserts runs. Returns the runs that were refused because they already have a row that belongs to another process.
    ///
    /// This method reads no requests: the driver polls afterwards, in a later transaction. If the process has no row, this
    /// method may do nothing, because that poll then returns `None`, and the process begins its runs again.
    fn begin(
        &self,
        process: ProcessId,
        runs: &[NewRun],
    ) -> impl Future<Output = Result<Vec<RunId>, Self::Error>> + Send;

    /// Writes receipts, and then the ends of runs. Only the first receipt for a request and a run counts, and only the first
    /// end of a run. The end of a run is ignored if the run has no row, or if its row belongs to another process.
    ///
    /// Gives a hint to the requesters whose requests have a new receipt.
    fn finish(
        &self,
        process: ProcessId,
        receipts: &[Receipt],
        ends: &[RunEnd],
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Inserts a request and its targets, and gives a hint to the processes of the targets. If there already is a request
    /// with that identifier, this call changes nothing, even if the two requests differ.
    ///
    /// If the recipient is one run, the target is inserted whether the run has begun or not.
    fn request(
        &self,
        requester: &Process,
        request: &Request,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Ends the lifetime of every request of the scope whose recipient is a [block](Recipient::Block) of this key. Returns
    /// how many of them were in force.
    fn unblock(
        &self,
        scope: &Scope,
        key: &Key,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Returns the targets of each of these requests. Leaves out requests that do not exist.
    ///
    /// For a block, the targets include the runs that began after the request and have a receipt.
    fn targets(
        &self,
        requests: &[RequestId],
    ) -> impl Future<Output = Result<Vec<(RequestId, Vec<Target>)>, Self::Error>> + Send;

    /// Returns the processes of a scope that have a row, in any order. This method may count all live runs, because it is
    /// called only to show the fleet.
    fn processes(
        &self,
        scope: &Scope,
    ) -> impl Future<Output = Result<Vec<ProcessStatus>, Self::Error>> + Send;

    /// Deletes rows that have not been needed for the time `retention`, but at most `at_most` rows of each table. Returns
    /// how many rows it deleted. These rows are not needed:
    ///
    /// * Processes whose lease ended that long ago. All live runs of a process are deleted with it, even if they are more than
    ///   `at_most`.
    /// * Runs that ended that long ago.
    /// * Targets of runs that are deleted, and their receipts, except those of requests for one run.
    /// * Requests whose lifetime ended that long ago, with their targets and receipts, unless a target is
    ///   [live](TargetState::Live).
    ///
    /// A request for one run stays even if its run is deleted, because the process of the run may only have been away. A
    /// target of such a request that has no receipt is [`NotBegun`](TargetState::NotBegun) from then on. If the run begins
    /// again before the lifetime of the request ends, [`poll`](Self::poll) returns the request. A receipt also stays, so that
    /// the requester can still read it.
    fn forget(
        &self,
        retention: Duration,
        at_most: u32,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Ends the lease of the process at once.
    fn leave(&self, process: ProcessId) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
