//! Signals on every executor, on any thread.

use std::future::pending;
use std::thread;

use cancelable::prelude::*;

use crate::alone::{alone, raise};
use crate::support::{self, block_on};

/// Another thread sends the signal after the source was created.
async fn hears() {
    let source = termination().unwrap();
    let sender = thread::spawn(|| raise(Signal::Term));
    let cancelled = pending::<()>().cancelable(source).await.unwrap_err();
    assert_eq!(cancelled.reason(), &Reason::signal(Signal::Term));
    sender.join().unwrap();
}

#[test]
fn bare_block_on() {
    let _watchdog = support::watchdog();
    alone(|| block_on(hears()));
}

#[test]
fn bare_block_on_another_thread() {
    let _watchdog = support::watchdog();
    alone(|| thread::spawn(|| block_on(hears())).join().unwrap());
}

#[test]
fn smol() {
    let _watchdog = support::watchdog();
    alone(|| ::smol::block_on(async { ::smol::spawn(hears()).await }));
}

#[test]
fn smol_on_another_thread() {
    let _watchdog = support::watchdog();
    alone(|| thread::spawn(|| ::smol::block_on(hears())).join().unwrap());
}

#[test]
fn tokio_current_thread_on_another_thread() {
    let _watchdog = support::watchdog();
    alone(|| {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        thread::spawn(move || runtime().block_on(hears())).join().unwrap();
    });
}

#[test]
fn tokio_multi_thread() {
    let _watchdog = support::watchdog();
    alone(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).build().unwrap();
        runtime.block_on(async { tokio::spawn(hears()).await.unwrap() });
    });
}

#[test]
fn async_std() {
    let _watchdog = support::watchdog();
    alone(|| ::async_std::task::block_on(async { ::async_std::task::spawn(hears()).await }));
}

/// One signal reaches all executors of the process.
#[test]
fn all_at_once() {
    let _watchdog = support::watchdog();
    alone(|| {
        let made: Vec<_> = (0..4).map(|_| termination().unwrap()).collect();
        let runs: [fn(cancelable::source::SignalSource) -> Reason; 4] = [
            |source| block_on(source),
            |source| ::smol::block_on(source),
            |source| ::async_std::task::block_on(source),
            |source| tokio::runtime::Runtime::new().unwrap().block_on(source),
        ];
        let threads: Vec<_> = made
            .into_iter()
            .zip(runs)
            .map(|(source, run)| thread::spawn(move || run(source)))
            .collect();
        raise(Signal::Int);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Reason::signal(Signal::Int));
        }
    });
}
