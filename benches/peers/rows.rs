//! The contestants: under each set of limits, whoever can do that job, ours first.

#[cfg(unix)]
use std::cell::RefCell;
use std::future::ready;
use std::hint::black_box;
use std::time::{Duration, Instant};

use async_shutdown::ShutdownManager;
use cancelable::prelude::*;
use futures_time::future::FutureExt as _;
use stop_token::StopSource;
use stop_token::future::FutureExt as _;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::measure::Contestant;
use crate::work::{Same, drive, ok, some};

/// So long that it does not strike.
const LIMIT: Duration = Duration::from_secs(60);

/// The name that ours has in each row.
pub(crate) const OURS: &str = "cancelable";

/// What the work is put under. Tokens are made once, as a program makes them.
pub(crate) struct Limits {
    token: CancellationToken,
    tokio: tokio_util::sync::CancellationToken,
    stop: StopSource,
    shutdown: ShutdownManager<()>,
    /// A runtime that has no timers but those that are measured.
    idle: Runtime,
}

impl Limits {
    pub(crate) fn new(idle: Runtime) -> Self {
        Limits {
            token: CancellationToken::default(),
            tokio: tokio_util::sync::CancellationToken::default(),
            stop: StopSource::default(),
            shutdown: ShutdownManager::default(),
            idle,
        }
    }

    pub(crate) fn timeout(&self) -> Vec<Contestant<'_>> {
        vec![
            Contestant::new(OURS, |work, cx| drive(work.cancelable(timeout(LIMIT)), cx, ok)),
            Contestant::new("tokio::time::timeout", |work, cx| {
                drive(tokio::time::timeout(LIMIT, work), cx, ok)
            }),
            Contestant::new("tokio::time::timeout, idle", |work, cx| {
                drive(tokio::time::timeout(LIMIT, work), cx, ok)
            })
            .within(&self.idle),
            Contestant::new("tokio::select!", |work, cx| {
                let race = async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = sleep(LIMIT) => None,
                    }
                };
                drive(race, cx, some)
            }),
            Contestant::new("futures-time timeout", |work, cx| {
                drive(work.timeout(futures_time::time::Duration::from(LIMIT)), cx, ok)
            }),
            Contestant::new("stop-token timeout_at", |work, cx| {
                drive(work.timeout_at(Instant::now() + LIMIT), cx, ok)
            }),
        ]
    }

    pub(crate) fn token(&self) -> Vec<Contestant<'_>> {
        vec![
            Contestant::new(OURS, |work, cx| drive(work.cancelable(&self.token), cx, ok)),
            Contestant::new("tokio-util run_until_cancelled", |work, cx| {
                drive(self.tokio.run_until_cancelled(work), cx, some)
            }),
            Contestant::new("tokio::select!", |work, cx| {
                let race = async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = self.tokio.cancelled() => None,
                    }
                };
                drive(race, cx, some)
            }),
            Contestant::new("futures abortable", |work, cx| {
                let (race, _handle) = futures::future::abortable(work);
                drive(race, cx, ok)
            }),
            Contestant::new("stop-token timeout_at", |work, cx| {
                drive(work.timeout_at(self.stop.token()), cx, ok)
            }),
            Contestant::new("async-shutdown wrap_cancel", |work, cx| {
                drive(self.shutdown.wrap_cancel(work), cx, ok)
            }),
        ]
    }

    pub(crate) fn both(&self) -> Vec<Contestant<'_>> {
        vec![
            Contestant::new(OURS, |work, cx| {
                drive(work.cancelable(any_of((timeout(LIMIT), &self.token))), cx, ok)
            }),
            Contestant::new("tokio::select!", |work, cx| {
                let race = async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = sleep(LIMIT) => None,
                        () = self.tokio.cancelled() => None,
                    }
                };
                drive(race, cx, some)
            }),
            Contestant::new("tokio timeout(run_until_..)", |work, cx| {
                let race = tokio::time::timeout(LIMIT, self.tokio.run_until_cancelled(work));
                drive(race, cx, |output| output.as_ref().ok().and_then(some))
            }),
            Contestant::new("stop-token twice", |work, cx| {
                let race = work.timeout_at(self.stop.token()).timeout_at(Instant::now() + LIMIT);
                drive(race, cx, |output| output.as_ref().ok().and_then(ok))
            }),
        ]
    }

    /// The same timeout over a run that is observed.
    pub(crate) fn operation(&self) -> Vec<Contestant<'_>> {
        vec![
            Contestant::new(OURS, |work, cx| {
                drive(Same(work).cancelable(timeout(LIMIT)).named("job"), cx, ok)
            }),
            Contestant::new("tokio::time::timeout", |work, cx| {
                drive(tokio::time::timeout(LIMIT, work), cx, ok)
            }),
            Contestant::new("cancelable, with a hook", |work, cx| {
                let run = Same(work).cancelable(timeout(LIMIT)).named("job");
                drive(run.on_complete(|operation| _ = black_box(operation)), cx, ok)
            }),
            Contestant::new("cancelable, finally", |work, cx| {
                let run = Same(work).cancelable(timeout(LIMIT)).named("job");
                drive(
                    run.finally(|outcome| {
                        black_box(outcome);
                        ready(())
                    }),
                    cx,
                    ok,
                )
            }),
            Contestant::new("cancelable, plain, a shield", |work, cx| {
                drive(shield(work).cancelable(timeout(LIMIT)), cx, ok)
            }),
            Contestant::new("cancelable, a shield", |work, cx| {
                drive(shield(work).cancelable(timeout(LIMIT)).named("job"), cx, ok)
            }),
        ]
    }

    /// A listener for the signal is made for each piece of work; or one serves all of them, one
    /// after another.
    #[cfg(unix)]
    pub(crate) fn all_three(&self) -> Vec<Contestant<'_>> {
        use tokio::signal::unix::{SignalKind, signal as listen};

        let ours = RefCell::new(signal(Signal::Term).expect("SIGTERM can be caught"));
        let tokios = RefCell::new(listen(SignalKind::terminate()).expect("SIGTERM can be caught"));
        vec![
            Contestant::new(OURS, |work, cx| {
                let stop = signal(Signal::Term).ok()?;
                let limits = any_of((timeout(LIMIT), &self.token, stop));
                drive(work.cancelable(limits), cx, ok)
            }),
            Contestant::new("tokio::select!", |work, cx| {
                let mut stop = listen(SignalKind::terminate()).ok()?;
                let race = async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = sleep(LIMIT) => None,
                        () = self.tokio.cancelled() => None,
                        _ = stop.recv() => None,
                    }
                };
                drive(race, cx, some)
            }),
            Contestant::new("cancelable, one listener", move |work, cx| {
                let mut stop = ours.borrow_mut();
                let limits = any_of((timeout(LIMIT), &self.token, &mut *stop));
                drive(work.cancelable(limits), cx, ok)
            }),
            Contestant::new("tokio::select!, one listener", move |work, cx| {
                let mut stop = tokios.borrow_mut();
                let race = async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = sleep(LIMIT) => None,
                        () = self.tokio.cancelled() => None,
                        _ = stop.recv() => None,
                    }
                };
                drive(race, cx, some)
            }),
        ]
    }

    /// Elsewhere there is no SIGTERM.
    #[cfg(not(unix))]
    pub(crate) fn all_three(&self) -> Vec<Contestant<'_>> {
        Vec::new()
    }
}
