//! `Driver`: the future that does the work of the bus.
//!
//! It makes one call at a time, and repeats each call that may have been lost. Each round
//!
//! 1. writes the rows of runs that begin;
//! 2. polls if runs began in step 1, if a hint came, or if the poll interval is over. So a poll always follows the beginning
//!    of a run. A request is then either read by that poll or announced by a hint, whether the run or the request came
//!    first;
//! 3. cancels the operations that got a request;
//! 4. writes receipts, and the ends of runs;
//! 5. reads the targets that requesters wait for;
//! 6. sleeps until there is something to do.

use std::collections::HashMap;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::{any_of, timeout};
use futures::future::{Either, select};
use uuid::Uuid;

use super::shared::{Shared, Stopping};
use crate::engine::{Engine, Enrolled, NewRun, Receipt, Received, RunEnd};
use crate::error::Error;
use crate::id::{RequestId, RunId};

/// The maximum number of rows that one call writes or reads.
const BATCH: usize = 1000;

/// The shortest and the longest pause between two attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// The longest time between two deletions of old rows.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The future that does the work of a bus. Made by [`BusBuilder::build`](super::BusBuilder::build).
///
/// Spawn it on any executor, or poll it beside your own work. The driver itself spawns nothing. It resolves after
/// [`Bus::close`](super::Bus::close).
///
/// The driver cancels operations while it is polled. The callbacks of their tokens then run inside this poll, so they must
/// not block.
///
/// # Cancel safety
///
/// To the other processes, dropping it looks like a crash of this process: no request arrives any more, and the lease runs
/// out. The work continues.
///
/// # Panics
///
/// Panics if the engine panics, or if the driver is polled after completion.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Driver(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

pub(super) fn start<E: Engine>(shared: Arc<Shared<E>>) -> Driver {
    let stopping = Stopping(shared.clone());
    Driver(Box::pin(async move {
        let _stopping = stopping;
        let connection = pin!(shared.engine.drive());
        let sessions = pin!(Sessions::new(&shared).run());
        select(connection, sessions).await;
    }))
}

/// The state that survives a lost connection.
struct Sessions<'a, E: Engine> {
    shared: &'a Shared<E>,
    /// Runs whose rows are being written, or whose rows have been written but no poll has followed yet.
    begins: Vec<NewRun>,
    receipts: HashMap<(RequestId, RunId), Received>,
    ends: Vec<RunEnd>,
    /// When the next poll is due.
    poll_at: Duration,
    forget_at: Duration,
}

/// Why a session ended.
enum End {
    Lost(Error),
    /// The store has no row of this process any more.
    Forgotten,
    Closed,
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Lost(error)
    }
}

impl<'a, E: Engine> Sessions<'a, E> {
    fn new(shared: &'a Shared<E>) -> Self {
        Sessions {
            shared,
            begins: Vec::new(),
            receipts: HashMap::new(),
            ends: Vec::new(),
            poll_at: Duration::ZERO,
            forget_at: random(FORGET_EVERY),
        }
    }

    async fn run(mut self) {
        loop {
            match self.session().await {
                End::Closed => return,
                End::Forgotten => {}
                End::Lost(error) => {
                    let failures = self.shared.note_lost(error);
                    if self.pause(failures).await {
                        return;
                    }
                }
            }
        }
    }

    /// Serves one connection.
    async fn session(&mut self) -> End {
        match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, End> {
        let shared = self.shared;
        let connect = shared.engine.connect(&shared.process, shared.settings.lease);
        if shared.call(connect).await? == Enrolled::New {
            self.begins.clear();
            shared.queue_all();
        }
        // The connection listens from here on. Read the requests that came before.
        let mut hinted = true;
        loop {
            self.write_begins().await?;
            let polls = hinted || !self.begins.is_empty() || shared.clock.now() >= self.poll_at;
            if polls {
                self.poll().await?;
            }
            self.write_receipts_and_ends().await?;
            self.read_targets(polls).await?;
            self.forget().await?;
            shared.note_settled();
            let next = shared.work.next();
            if shared.look_for_work() {
                if shared.lock().is_closing {
                    self.write_receipts_and_ends().await?;
                    shared.call(shared.engine.leave(shared.process.id)).await?;
                    return Err(End::Closed);
                }
                hinted = false;
                continue;
            }
            let until_due = self.poll_at.saturating_sub(shared.clock.now());
            let hint = pin!(shared.engine.hint());
            let other = pin!(any_of((&next, timeout(until_due))).into_future());
            hinted = matches!(select(hint, other).await, Either::Left(_));
        }
    }

    async fn write_begins(&mut self) -> Result<(), End> {
        let shared = self.shared;
        if self.begins.is_empty() {
            self.begins = shared.take_queued(BATCH);
        }
        if self.begins.is_empty() {
            return Ok(());
        }
        let begin = shared.engine.begin(shared.process.id, &self.begins);
        let refused = shared.call(begin).await?;
        for run in &refused {
            shared.refuse(*run);
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<(), End> {
        let shared = self.shared;
        let sent = shared.clock.now();
        let poll = shared.engine.poll(shared.process.id, shared.settings.lease);
        let Some(polled) = shared.call(poll).await? else { return Err(End::Forgotten) };
        self.poll_at = sent + shared.settings.poll_every;
        shared.note_heard(sent, &polled);
        for pending in &polled.pending {
            // If the receipt is still to be written, the request has already been delivered.
            let receipt = self.receipts.entry((pending.request, pending.run));
            receipt.or_insert_with(|| shared.deliver(pending));
        }
        shared.tell_begun(&std::mem::take(&mut self.begins));
        Ok(())
    }

    async fn write_receipts_and_ends(&mut self) -> Result<(), End> {
        let shared = self.shared;
        self.ends.append(&mut shared.take_ends());
        while !self.receipts.is_empty() || !self.ends.is_empty() {
            let receipts = self.receipts.iter().take(BATCH);
            let receipts: Vec<_> = receipts
                .map(|((request, run), received)| Receipt::new(*request, *run, *received))
                .collect();
            // Receipts are written first: once the end of a run is written, a request without a receipt counts as too
            // late.
            let is_last = receipts.len() == self.receipts.len();
            let ends = if is_last { self.ends.len().min(BATCH) } else { 0 };
            let finish = shared.engine.finish(shared.process.id, &receipts, &self.ends[..ends]);
            shared.call(finish).await?;
            for receipt in &receipts {
                self.receipts.remove(&(receipt.request, receipt.run));
            }
            self.ends.drain(..ends);
        }
        Ok(())
    }

    async fn read_targets(&mut self, all: bool) -> Result<(), End> {
        let shared = self.shared;
        let requests = shared.lock().watches.requests(all);
        for batch in requests.chunks(BATCH) {
            let targets = match shared.call(shared.engine.targets(batch)).await {
                Ok(targets) => targets,
                Err(error) => {
                    shared.lock().watches.ask_again();
                    return Err(error.into());
                }
            };
            let changed = shared.lock().watches.store(batch, targets.into_iter().collect());
            for token in changed {
                token.cancel();
            }
        }
        Ok(())
    }

    /// Deletes old rows from time to time. Every process does this, so each process starts at a random time.
    async fn forget(&mut self) -> Result<(), End> {
        let shared = self.shared;
        let now = shared.clock.now();
        if now < self.forget_at {
            return Ok(());
        }
        let forget = shared.engine.forget(shared.settings.retention, BATCH as u32);
        let deleted = shared.call(forget).await?;
        // More may be left after a full batch.
        let pause = if deleted < BATCH as u64 { FORGET_EVERY } else { Duration::ZERO };
        self.forget_at = now + pause;
        Ok(())
    }

    /// Waits before the next attempt to connect. Returns `true` if the bus was closed.
    async fn pause(&self, failures: u32) -> bool {
        let (shortest, longest) = PAUSES;
        let pause = shortest.saturating_mul(1 << failures.clamp(1, 10) >> 1).min(longest);
        let mut next = self.shared.work.next();
        if self.shared.lock().is_closing {
            return true;
        }
        let mut pause = pin!(timeout(pause / 2 + random(pause / 2)));
        loop {
            if let Either::Right(_) = select(pin!(next.cancelled()), pause.as_mut()).await {
                return false;
            }
            next = self.shared.work.next();
            if self.shared.lock().is_closing {
                return true;
            }
        }
    }
}

/// Returns a random length from zero to `length`.
fn random(length: Duration) -> Duration {
    let fraction = Uuid::new_v4().as_u128() as u32;
    length.mul_f64(f64::from(fraction) / f64::from(u32::MAX))
}
