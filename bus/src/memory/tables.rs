//! The tables of the store in memory. Each method is one transaction: the caller holds the lock.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cancelable::{Status, Text};

use super::listener::Listener;
use crate::engine::{
    Enrolled, NewRun, Pending, Process, ProcessStatus, Receipt, Received, RunEnd, Target,
    TargetState,
};
use crate::id::{ProcessId, RequestId, RunId};
use crate::name::{Key, Scope};
use crate::remote_reason::RemoteReason;
use crate::request::{Recipient, Request};
use crate::time::StoreTime;

#[derive(Debug, Default)]
pub(super) struct Tables {
    processes: HashMap<ProcessId, ProcessRow>,
    runs: HashMap<RunId, RunRow>,
    requests: HashMap<RequestId, RequestRow>,
    /// The targets that have no receipt, by run. The run may not have begun.
    waiting: HashMap<RunId, Vec<RequestId>>,
    /// The runs that have not ended, by scope and key.
    live: HashMap<(Scope, Key), HashSet<RunId>>,
    /// The requests that are blocks, by scope and key.
    blocks: HashMap<(Scope, Key), Vec<RequestId>>,
}

#[derive(Debug)]
struct ProcessRow {
    scope: Scope,
    host: Text,
    lease_until: StoreTime,
    listener: Weak<Listener>,
}

#[derive(Debug)]
struct RunRow {
    scope: Scope,
    key: Option<Key>,
    process: ProcessId,
    begun: StoreTime,
    ended: Option<StoreTime>,
}

#[derive(Debug)]
struct RequestRow {
    scope: Scope,
    recipient: Recipient,
    reason: RemoteReason,
    requester: ProcessId,
    expires: StoreTime,
    targets: HashMap<RunId, Option<Received>>,
}

/// The listeners that the caller notifies once it has released the lock.
pub(super) type Hints = Vec<Arc<Listener>>;

impl Tables {
    pub(super) fn connect(
        &mut self,
        process: &Process,
        lease_until: StoreTime,
        listener: &Arc<Listener>,
    ) -> Enrolled {
        let row = ProcessRow {
            scope: process.scope.clone(),
            host: process.host.clone(),
            lease_until,
            listener: Arc::downgrade(listener),
        };
        match self.processes.insert(process.id, row) {
            None => Enrolled::New,
            Some(_) => Enrolled::Known,
        }
    }

    pub(super) fn poll(
        &mut self,
        process: ProcessId,
        lease_until: StoreTime,
    ) -> Option<Vec<Pending>> {
        self.processes.get_mut(&process)?.lease_until = lease_until;
        Some(self.pending(process))
    }

    /// Returns the requests that live runs of a process must get.
    fn pending(&self, process: ProcessId) -> Vec<Pending> {
        let mut pending = Vec::new();
        let addressed =
            self.waiting.iter().flat_map(|(run, ids)| ids.iter().map(move |id| (*run, *id)));
        let blocked = self.blocks.iter().flat_map(|(of, blocks)| {
            let runs = self.live.get(of).into_iter().flatten();
            runs.flat_map(move |run| blocks.iter().map(move |id| (*run, *id)))
        });
        let mut seen = HashSet::new();
        for (run, id) in addressed.chain(blocked) {
            let (Some(row), Some(request)) = (self.runs.get(&run), self.requests.get(&id)) else {
                continue;
            };
            let is_mine = row.process == process && row.ended.is_none();
            if is_mine && request.reaches(run, row) && seen.insert((run, id)) {
                pending.push(Pending::new(id, run, request.reason.clone()));
            }
        }
        pending
    }

    pub(super) fn begin(
        &mut self,
        process: ProcessId,
        runs: &[NewRun],
        now: StoreTime,
    ) -> Vec<RunId> {
        let Some(scope) = self.processes.get(&process).map(|row| row.scope.clone()) else {
            // The next poll finds that the process is unknown. Then the process begins its runs again.
            return Vec::new();
        };
        let mut refused = Vec::new();
        for run in runs {
            if let Some(row) = self.runs.get(&run.id) {
                if row.process != process {
                    refused.push(run.id);
                }
                continue;
            }
            if let Some(key) = &run.key {
                self.live.entry((scope.clone(), key.clone())).or_default().insert(run.id);
            }
            let (scope, key) = (scope.clone(), run.key.clone());
            self.runs.insert(run.id, RunRow { scope, key, process, begun: now, ended: None });
        }
        refused
    }

    pub(super) fn finish(
        &mut self,
        process: ProcessId,
        receipts: &[Receipt],
        ends: &[RunEnd],
        now: StoreTime,
    ) -> Hints {
        let mut requesters = HashSet::new();
        for receipt in receipts {
            let Some(request) = self.requests.get_mut(&receipt.request) else { continue };
            let received = request.targets.entry(receipt.run).or_default();
            if received.is_none() {
                *received = Some(receipt.received);
                requesters.insert(request.requester);
            }
            self.stop_waiting(receipt.run, receipt.request);
        }
        for end in ends {
            debug_assert!(matches!(
                end.status,
                Status::Completed | Status::Failed | Status::Cancelled
            ));
            let Some(row) = self.runs.get_mut(&end.run) else { continue };
            if row.process == process && row.ended.is_none() {
                row.ended = Some(now);
                self.stop_living(end.run);
            }
        }
        self.listeners(requesters)
    }

    pub(super) fn request(
        &mut self,
        requester: &Process,
        request: &Request,
        now: StoreTime,
    ) -> Hints {
        if self.requests.contains_key(&request.id()) {
            return Hints::new();
        }
        let scope = &requester.scope;
        let runs: Vec<RunId> = match request.recipient() {
            Recipient::Run(run) => vec![*run],
            Recipient::Key(key) | Recipient::Block(key) => {
                let live = self.live.get(&(scope.clone(), key.clone()));
                live.into_iter().flatten().copied().collect()
            }
        };
        if let Recipient::Block(key) = request.recipient() {
            self.blocks.entry((scope.clone(), key.clone())).or_default().push(request.id());
        }
        for run in &runs {
            self.waiting.entry(*run).or_default().push(request.id());
        }
        let row = RequestRow {
            scope: scope.clone(),
            recipient: request.recipient().clone(),
            reason: request.reason().clone(),
            requester: requester.id,
            expires: now + request.lifetime(),
            targets: runs.iter().map(|run| (*run, None)).collect(),
        };
        self.requests.insert(request.id(), row);
        let rows = runs.iter().filter_map(|run| self.runs.get(run));
        let rows = rows.filter(|row| row.scope == *scope);
        self.listeners(rows.map(|row| row.process).collect())
    }

    pub(super) fn unblock(&mut self, scope: &Scope, key: &Key, now: StoreTime) -> u64 {
        let blocks = self.blocks.get(&(scope.clone(), key.clone()));
        let mut lifted = 0;
        for id in blocks.into_iter().flatten() {
            let Some(request) = self.requests.get_mut(id) else { continue };
            if request.expires > now {
                request.expires = now;
                lifted += 1;
            }
        }
        lifted
    }

    pub(super) fn targets(
        &self,
        requests: &[RequestId],
        now: StoreTime,
    ) -> Vec<(RequestId, Vec<Target>)> {
        let known = requests.iter().filter_map(|id| Some((*id, self.requests.get(id)?)));
        known
            .map(|(id, request)| {
                let targets = request.targets.iter().map(|(run, received)| {
                    let state = received.map(TargetState::Received);
                    Target::new(*run, state.unwrap_or_else(|| self.state(*run, request, now)))
                });
                (id, targets.collect())
            })
            .collect()
    }

    pub(super) fn processes(&self, scope: &Scope, now: StoreTime) -> Vec<ProcessStatus> {
        let rows = self.processes.iter().filter(|(_, row)| row.scope == *scope);
        rows.map(|(id, row)| {
            let mut status = ProcessStatus::new(*id, row.host.clone(), row.lease_until > now);
            let live = self.runs.values().filter(|run| run.process == *id && run.ended.is_none());
            status.runs = live.count() as u64;
            status.unconfirmed = self.pending(*id).len() as u64;
            status
        })
        .collect()
    }

    /// Returns the state of a target without a receipt. If the run is no such target, it counts as not begun.
    fn state(&self, run: RunId, request: &RequestRow, now: StoreTime) -> TargetState {
        match self.runs.get(&run) {
            Some(row) if !request.reaches(run, row) => TargetState::NotBegun,
            None => TargetState::NotBegun,
            Some(row) if row.ended.is_some() => TargetState::Ended,
            Some(row) => match self.processes.get(&row.process) {
                Some(process) if process.lease_until > now => TargetState::Live,
                _ => TargetState::LeaseOver,
            },
        }
    }

    pub(super) fn forget(&mut self, now: StoreTime, retention: Duration, at_most: usize) -> u64 {
        let is_old = |since: StoreTime| now.as_micros() > (since + retention).as_micros();

        let old = self.processes.iter().filter(|(_, row)| is_old(row.lease_until));
        let processes: HashSet<_> = old.map(|(id, _)| *id).take(at_most).collect();
        self.processes.retain(|id, _| !processes.contains(id));

        let ended = self.runs.iter().filter(|(_, row)| row.ended.is_some_and(is_old)).take(at_most);
        // Looks at the runs only if a process was deleted.
        let of_processes = (!processes.is_empty()).then(|| self.runs.iter()).into_iter().flatten();
        let left_behind =
            of_processes.filter(|(_, row)| row.ended.is_none() && processes.contains(&row.process));
        let runs: HashSet<_> = ended.chain(left_behind).map(|(id, _)| *id).collect();
        for id in &runs {
            self.stop_living(*id);
            self.runs.remove(id);
        }
        self.forget_targets(&runs);

        let old = self
            .requests
            .iter()
            .filter(|(_, request)| is_old(request.expires) && !self.has_live_target(request, now));
        let requests: Vec<_> = old.map(|(id, _)| *id).take(at_most).collect();
        for id in &requests {
            self.remove_request(*id);
        }
        (processes.len() + runs.len() + requests.len()) as u64
    }

    pub(super) fn leave(&mut self, process: ProcessId, now: StoreTime) {
        if let Some(row) = self.processes.get_mut(&process) {
            row.lease_until = now;
        }
    }

    /// Deletes the targets and receipts of runs, except those of requests for one run: the process of the run may come back
    /// and begin the run again.
    fn forget_targets(&mut self, runs: &HashSet<RunId>) {
        if runs.is_empty() {
            return;
        }
        let is_for_one_run = |request: &RequestRow| matches!(request.recipient, Recipient::Run(_));
        for request in self.requests.values_mut().filter(|request| !is_for_one_run(request)) {
            request.targets.retain(|run, _| !runs.contains(run));
        }
        for run in runs {
            let Some(ids) = self.waiting.get_mut(run) else { continue };
            ids.retain(|id| self.requests.get(id).is_some_and(is_for_one_run));
            if ids.is_empty() {
                self.waiting.remove(run);
            }
        }
    }

    /// Returns whether a live run must get the request and has no receipt for it.
    fn has_live_target(&self, request: &RequestRow, now: StoreTime) -> bool {
        let blocked = match &request.recipient {
            Recipient::Block(key) => self.live.get(&(request.scope.clone(), key.clone())),
            _ => None,
        };
        let mut runs = request.targets.keys().chain(blocked.into_iter().flatten());
        runs.any(|run| self.state(*run, request, now) == TargetState::Live)
    }

    fn remove_request(&mut self, id: RequestId) {
        let Some(request) = self.requests.remove(&id) else { return };
        for run in request.targets.keys() {
            self.stop_waiting(*run, id);
        }
        if let Recipient::Block(key) = request.recipient {
            let of = (request.scope, key);
            if let Some(blocks) = self.blocks.get_mut(&of) {
                blocks.retain(|block| *block != id);
                if blocks.is_empty() {
                    self.blocks.remove(&of);
                }
            }
        }
    }

    fn stop_waiting(&mut self, run: RunId, request: RequestId) {
        if let Some(requests) = self.waiting.get_mut(&run) {
            requests.retain(|id| *id != request);
            if requests.is_empty() {
                self.waiting.remove(&run);
            }
        }
    }

    /// Removes a run from the live runs of its key.
    fn stop_living(&mut self, run: RunId) {
        let Some(RunRow { scope, key: Some(key), .. }) = self.runs.get(&run) else { return };
        let of = (scope.clone(), key.clone());
        if let Some(runs) = self.live.get_mut(&of) {
            runs.remove(&run);
            if runs.is_empty() {
                self.live.remove(&of);
            }
        }
    }

    fn listeners(&self, processes: HashSet<ProcessId>) -> Hints {
        let rows = processes.iter().filter_map(|process| self.processes.get(process));
        rows.filter_map(|row| row.listener.upgrade()).collect()
    }

    /// Returns the number of rows in each table, and of entries in each index.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 6] {
        [
            self.processes.len(),
            self.runs.len(),
            self.requests.len(),
            self.waiting.len(),
            self.live.len(),
            self.blocks.len(),
        ]
    }
}

impl RequestRow {
    /// Returns whether the request is for this run and has no receipt for it.
    fn reaches(&self, run: RunId, row: &RunRow) -> bool {
        let is_late = row.begun > self.expires;
        self.scope == row.scope
            && match (&self.recipient, self.targets.get(&run)) {
                (_, Some(Some(_))) => false,
                (Recipient::Run(_), _) => !is_late,
                (Recipient::Key(_), target) => target.is_some(),
                (Recipient::Block(key), None) => row.key.as_ref() == Some(key) && !is_late,
                (Recipient::Block(_), Some(None)) => true,
            }
    }
}
