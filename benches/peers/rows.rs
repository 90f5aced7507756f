//! The contestants for each set of limits, ours first.

use std::future::ready;
use std::hint::black_box;
use std::time::{Duration, Instant};

use async_shutdown::ShutdownManager;
use cancel_safe_futures::coop_cancel;
use cancelable::prelude::*;
use futures_time::future::FutureExt as _;
use stop_token::StopSource;
use stop_token::future::FutureExt as _;
use swansong::Swansong;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::contestant::{Contestant, contestant};
use crate::work::{ok, some};

/// A time limit that never fires, because it is longer than any measurement.
const LIMIT: Duration = Duration::from_secs(60);

/// The name of this crate in each row.
pub(crate) const OURS: &str = "cancelable";

/// The limits. Tokens are made once, as a program would do.
pub(crate) struct Limits {
    token: CancellationToken,
    tokio: tokio_util::sync::CancellationToken,
    stop: StopSource,
    shutdown: ShutdownManager<()>,
    swansong: Swansong,
    /// A runtime with no timers except the measured ones.
    idle: Runtime,
}

impl Limits {
    pub(crate) fn new(idle: Runtime) -> Self {
        Limits {
            token: CancellationToken::default(),
            tokio: tokio_util::sync::CancellationToken::default(),
            stop: StopSource::default(),
            shutdown: ShutdownManager::default(),
            swansong: Swansong::new(),
            idle,
        }
    }

    pub(crate) fn timeout(&'static self) -> Vec<Contestant> {
        vec![
            contestant!(OURS, |work| work.cancelable(timeout(LIMIT)), ok),
            contestant!("tokio::time::timeout", |work| tokio::time::timeout(LIMIT, work), ok),
            contestant!("tokio::time::timeout, idle", |work| tokio::time::timeout(LIMIT, work), ok)
                .within(&self.idle),
            contestant!(
                "tokio::select!",
                |work| async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = sleep(LIMIT) => None,
                    }
                },
                some
            ),
            contestant!(
                "futures-time timeout",
                |work| work.timeout(futures_time::time::Duration::from(LIMIT)),
                ok
            ),
            contestant!(
                "stop-token timeout_at",
                |work| work.timeout_at(Instant::now() + LIMIT),
                ok
            ),
        ]
    }

    pub(crate) fn token(&'static self) -> Vec<Contestant> {
        vec![
            contestant!(OURS, |work| work.cancelable(&self.token), ok),
            contestant!(
                "tokio-util run_until_cancelled",
                |work| self.tokio.run_until_cancelled(work),
                some
            ),
            contestant!(
                "tokio::select!",
                |work| async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = self.tokio.cancelled() => None,
                    }
                },
                some
            ),
            contestant!(
                "futures abortable",
                handle = None,
                |work| {
                    let (race, of_race) = futures::future::abortable(work);
                    drop(handle.replace(of_race));
                    race
                },
                ok
            ),
            contestant!("stop-token timeout_at", |work| work.timeout_at(self.stop.token()), ok),
            contestant!("async-shutdown wrap_cancel", |work| self.shutdown.wrap_cancel(work), ok),
            contestant!("swansong interrupt", |work| self.swansong.interrupt(work), some),
            // A pair has only one receiver, so all jobs use the same receiver, one after another.
            contestant!(
                "cancel-safe-futures coop_cancel",
                pair = coop_cancel::new_pair::<()>(),
                |work| async {
                    // Captures the whole pair. Without the canceler, the receiver would have nothing to wait for.
                    let (_canceler, receiver) = &mut pair;
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        _ = receiver.recv() => None,
                    }
                },
                some
            ),
        ]
    }

    pub(crate) fn both(&'static self) -> Vec<Contestant> {
        vec![
            contestant!(OURS, |work| work.cancelable(any_of((timeout(LIMIT), &self.token))), ok),
            contestant!(
                "tokio::select!",
                |work| async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = sleep(LIMIT) => None,
                        () = self.tokio.cancelled() => None,
                    }
                },
                some
            ),
            contestant!(
                "tokio timeout(run_until_..)",
                |work| tokio::time::timeout(LIMIT, self.tokio.run_until_cancelled(work)),
                |output: &Result<_, _>| output.as_ref().ok().and_then(some)
            ),
            contestant!(
                "stop-token twice",
                |work| work.timeout_at(self.stop.token()).timeout_at(Instant::now() + LIMIT),
                |output: &Result<_, _>| output.as_ref().ok().and_then(ok)
            ),
        ]
    }

    /// The same timeout, but the race is an operation.
    pub(crate) fn operation(&'static self) -> Vec<Contestant> {
        vec![
            contestant!(OURS, |work| work.cancelable(timeout(LIMIT)).named("job"), ok),
            contestant!("tokio::time::timeout", |work| tokio::time::timeout(LIMIT, work), ok),
            contestant!(
                "cancelable, with a hook",
                |work| {
                    let future = work.cancelable(timeout(LIMIT)).named("job");
                    future.on_complete(|operation| _ = black_box(operation))
                },
                ok
            ),
            contestant!(
                "cancelable, finally",
                |work| {
                    let future = work.cancelable(timeout(LIMIT)).named("job");
                    future.finally(|outcome| {
                        black_box(outcome);
                        ready(())
                    })
                },
                ok
            ),
            contestant!(
                "cancelable, plain, a shield",
                |work| shield(work).cancelable(timeout(LIMIT)),
                ok
            ),
            contestant!(
                "cancelable, a shield",
                |work| shield(work).cancelable(timeout(LIMIT)).named("job"),
                ok
            ),
        ]
    }

    /// Either each job creates its own listener for the signal, or all jobs use the same listener, one after another.
    #[cfg(unix)]
    pub(crate) fn all_three(&'static self) -> Vec<Contestant> {
        use tokio::signal::unix::{Signal as Listener, SignalKind, signal as listen};

        fn ours() -> cancelable::source::SignalSource {
            signal(Signal::Term).expect("SIGTERM can be caught")
        }
        fn tokios() -> Listener {
            listen(SignalKind::terminate()).expect("SIGTERM can be caught")
        }
        vec![
            contestant!(
                OURS,
                |work| {
                    let stop = work.own(ours());
                    work.cancelable(any_of((timeout(LIMIT), &self.token, stop)))
                },
                ok
            ),
            contestant!(
                "tokio::select!",
                |work| async {
                    let mut stop = tokios();
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = sleep(LIMIT) => None,
                        () = self.tokio.cancelled() => None,
                        _ = stop.recv() => None,
                    }
                },
                some
            ),
            contestant!(
                "cancelable, one listener",
                stop = ours(),
                |work| {
                    let stop = work.own(&mut stop);
                    work.cancelable(any_of((timeout(LIMIT), &self.token, stop)))
                },
                ok
            ),
            contestant!(
                "tokio::select!, one listener",
                stop = tokios(),
                |work| async {
                    tokio::select! {
                        biased;
                        value = work => Some(value),
                        () = sleep(LIMIT) => None,
                        () = self.tokio.cancelled() => None,
                        _ = stop.recv() => None,
                    }
                },
                some
            ),
        ]
    }

    /// Other platforms have no SIGTERM.
    #[cfg(not(unix))]
    pub(crate) fn all_three(&'static self) -> Vec<Contestant> {
        Vec::new()
    }
}
