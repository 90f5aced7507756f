//! `Engine` for `Postgres`: each call of the bus becomes statements on the tables.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::time::Duration;

use cancelable::Text;
use cancelable_bus::engine::{
    Enrolled, NewRun, Pending, Polled, Process, ProcessStatus, Receipt, Received, RunEnd, Target,
    TargetState,
};
use cancelable_bus::{
    Engine, Key, ProcessId, Recipient, RemoteReason, Request, RequestId, RunId, Scope, StoreTime,
};
use futures::future::try_join;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::connector::{Connector, Tls};
use crate::error::Error;
use crate::postgres::Postgres;

impl<C: Connector, T: Tls<C::Stream>> Engine for Postgres<C, T> {
    type Error = Error;

    async fn drive(&self) -> Infallible {
        self.link.drive().await
    }

    async fn hint(&self) {
        self.link.hint().await;
    }

    async fn connect(&self, process: &Process, lease: Duration) -> Result<Enrolled, Error> {
        let session = self.connected().await?;
        let (id, scope, host) = (process.id.as_uuid(), process.scope.as_str(), &*process.host);
        // Start to listen before the first poll, so that no request is missed between the two.
        session.listen(id).await?;
        let parameters = [&id as _, &scope as _, &host as _, &lease.as_secs_f64() as _];
        let rows = session.call(&session.statements.enrol, &parameters).await?;
        let is_new: bool = first(&rows)?.try_get(0)?;
        self.use_session(&session);
        Ok(if is_new { Enrolled::New } else { Enrolled::Known })
    }

    async fn poll(&self, process: ProcessId, lease: Duration) -> Result<Option<Polled>, Error> {
        let session = self.session()?;
        let (process, lease) = (process.as_uuid(), lease.as_secs_f64());
        let parameters = [&process as _, &lease as _];
        let poll = session.call(&session.statements.poll, &parameters);
        let rows = if self.is_time_to_look() {
            // Both statements are sent at once, and the server executes them in this order.
            let look = session.call(&session.statements.look, &parameters[..1]);
            try_join(look, poll).await?.1
        } else {
            poll.await?
        };
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let now = StoreTime::from_micros(row.try_get(0)?);
        let pending = rows.iter().filter_map(|row| pending(row).transpose());
        Ok(Some(Polled::new(now, pending.collect::<Result<_, _>>()?)))
    }

    async fn begin(&self, process: ProcessId, runs: &[NewRun]) -> Result<Vec<RunId>, Error> {
        let session = self.session()?;
        let ids: Vec<_> = runs.iter().map(|run| run.id.as_uuid()).collect();
        let keys: Vec<_> = runs.iter().map(|run| run.key.as_ref().map(Key::as_str)).collect();
        let names: Vec<_> = runs.iter().map(|run| &*run.name).collect();
        let parameters = [&process.as_uuid() as _, &ids as _, &keys as _, &names as _];
        let begin = session.call(&session.statements.begin, &parameters);
        let adopt = session.call(&session.statements.adopt, &parameters[..2]);
        let (rows, _) = try_join(begin, adopt).await?;
        if rows.is_empty() {
            // The process is unknown. The next poll reports that.
            return Ok(Vec::new());
        }
        let begun = rows.iter().filter_map(|row| row.try_get::<_, Option<Uuid>>(0).transpose());
        let begun = begun.collect::<Result<HashSet<_>, _>>()?;
        Ok(runs.iter().map(|run| run.id).filter(|run| !begun.contains(&run.as_uuid())).collect())
    }

    async fn finish(
        &self,
        process: ProcessId,
        receipts: &[Receipt],
        ends: &[RunEnd],
    ) -> Result<(), Error> {
        let session = self.session()?;
        let requests: Vec<_> = receipts.iter().map(|receipt| receipt.request.as_uuid()).collect();
        let runs: Vec<_> = receipts.iter().map(|receipt| receipt.run.as_uuid()).collect();
        let received: Vec<_> = receipts.iter().map(|receipt| name_of(receipt.received)).collect();
        let ended: Vec<_> = ends.iter().map(|end| end.run.as_uuid()).collect();
        let outcomes: Vec<_> = ends.iter().map(|end| end.status.as_str()).collect();
        let parameters = [
            &process.as_uuid() as _,
            &requests as _,
            &runs as _,
            &received as _,
            &ended as _,
            &outcomes as _,
        ];
        session.call(&session.statements.finish, &parameters).await?;
        Ok(())
    }

    async fn request(&self, requester: &Process, request: &Request) -> Result<(), Error> {
        let session = self.session()?;
        let (recipient, run, key) = match request.recipient() {
            Recipient::Run(run) => ("run", Some(run.as_uuid()), None),
            Recipient::Key(key) => ("key", None, Some(key.as_str())),
            Recipient::Block(key) => ("block", None, Some(key.as_str())),
            // The enum may grow, but this crate always depends on exactly the version of the bus that it was made for.
            other => unreachable!("a recipient that this engine does not know: {other:?}"),
        };
        let reason = request.reason();
        let parameters = [
            &request.id().as_uuid() as _,
            &requester.scope.as_str() as _,
            &recipient as _,
            &run as _,
            &key as _,
            &reason.kind().as_str() as _,
            &reason.message() as _,
            &reason.requester() as _,
            &requester.id.as_uuid() as _,
            &request.lifetime().as_secs_f64() as _,
        ];
        let statements = &session.statements;
        let (make, look_again) = match request.recipient() {
            Recipient::Run(_) => (&statements.request_run, Some(&statements.resolve_run)),
            Recipient::Key(_) => (&statements.request_key, None),
            _ => (&statements.request_key, Some(&statements.resolve_block)),
        };
        let rows = session.call(make, &parameters).await?;
        let is_complete = run.is_some() && !rows.is_empty();
        if let Some(look_again) = look_again.filter(|_| !is_complete) {
            let (id, run) = (parameters[0], parameters[3]);
            let parameters: &[_] = if key.is_none() { &[id, run] } else { &[id] };
            session.call(look_again, parameters).await?;
        }
        Ok(())
    }

    async fn unblock(&self, scope: &Scope, key: &Key) -> Result<u64, Error> {
        let session = self.session()?;
        let parameters = [&scope.as_str() as _, &key.as_str() as _];
        let rows = session.call(&session.statements.unblock, &parameters).await?;
        Ok(rows.len() as u64)
    }

    async fn targets(
        &self,
        requests: &[RequestId],
    ) -> Result<Vec<(RequestId, Vec<Target>)>, Error> {
        let session = self.session()?;
        let ids: Vec<_> = requests.iter().map(|request| request.as_uuid()).collect();
        let rows = session.call(&session.statements.targets, &[&ids]).await?;
        let mut all: HashMap<Uuid, Vec<Target>> = HashMap::new();
        for row in &rows {
            all.entry(row.try_get(0)?).or_default().extend(target(row)?);
        }
        Ok(all.into_iter().map(|(id, targets)| (id.into(), targets)).collect())
    }

    async fn processes(&self, scope: &Scope) -> Result<Vec<ProcessStatus>, Error> {
        let session = self.session()?;
        let rows = session.call(&session.statements.processes, &[&scope.as_str()]).await?;
        let status = |row: &Row| {
            let (process, host): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
            let mut status = ProcessStatus::new(process.into(), host, row.try_get(2)?);
            status.runs = row.try_get::<_, i64>(3)?.unsigned_abs();
            status.unconfirmed = row.try_get::<_, i64>(4)?.unsigned_abs();
            Ok(status)
        };
        rows.iter().map(status).collect()
    }

    async fn forget(&self, retention: Duration, at_most: u32) -> Result<u64, Error> {
        let session = self.session()?;
        let parameters = [&retention.as_secs_f64() as _, &i64::from(at_most) as _];
        let rows = session.call(&session.statements.forget, &parameters).await?;
        let deleted: i64 = first(&rows)?.try_get(0)?;
        Ok(deleted.unsigned_abs())
    }

    async fn leave(&self, process: ProcessId) -> Result<(), Error> {
        let session = self.session()?;
        session.call(&session.statements.leave, &[&process.as_uuid()]).await?;
        Ok(())
    }
}

/// Returns the only row of a statement that always has one.
fn first(rows: &[Row]) -> Result<&Row, Error> {
    rows.first().ok_or(Error::NotConnected)
}

/// Reads a row of a poll. A poll that found nothing has one row, without a request.
fn pending(row: &Row) -> Result<Option<Pending>, tokio_postgres::Error> {
    let Some(request) = row.try_get::<_, Option<Uuid>>(1)? else {
        return Ok(None);
    };
    let message: String = row.try_get(4)?;
    let asked_by = row.try_get::<_, Option<String>>(5)?.map(Text::from);
    let reason = RemoteReason::from_parts(row.try_get(3)?, message, asked_by);
    let run: Uuid = row.try_get(2)?;
    Ok(Some(Pending::new(request.into(), run.into(), reason)))
}

/// Reads a row of the targets. A request without targets has one row, without a run.
fn target(row: &Row) -> Result<Option<Target>, tokio_postgres::Error> {
    let Some(run) = row.try_get::<_, Option<Uuid>>(1)? else {
        return Ok(None);
    };
    let received = row.try_get::<_, Option<&str>>(2)?.and_then(received_of);
    let (has_begun, has_ended, has_lease) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
    let state = match (received, has_begun, has_ended, has_lease) {
        (Some(received), ..) => TargetState::Received(received),
        (None, false, ..) => TargetState::NotBegun,
        (None, true, true, _) => TargetState::Ended,
        (None, true, false, true) => TargetState::Live,
        (None, true, false, false) => TargetState::LeaseOver,
    };
    Ok(Some(Target::new(run.into(), state)))
}

const RECEIVED: [(Received, &str); 3] = [
    (Received::First, "first"),
    (Received::Later, "later"),
    (Received::AlreadyEnded, "already ended"),
];

fn name_of(received: Received) -> &'static str {
    let known = RECEIVED.iter().find(|(known, _)| *known == received);
    known.map_or("later", |(_, name)| name)
}

fn received_of(name: &str) -> Option<Received> {
    RECEIVED.iter().find(|(_, known)| *known == name).map(|(received, _)| *received)
}
