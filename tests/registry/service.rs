//! `shutdown_when`: delay for load balancers, shutdown, second request, exit code.

use std::future::pending;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::registry::ShutdownPlan;

use crate::helpers::{running, started};
use crate::support::{self, Tally, Wakes, on_every_executor, poll_once};

const LONG: Duration = Duration::from_secs(600);

#[test]
fn shuts_down_for_the_reason_of_the_source() {
    let _watchdog = support::watchdog();
    let (registry, stop) = (Registry::new(), CancellationToken::new());
    let (_, run) = running(&registry, "a");
    let (sender, told) = channel();
    let plan = ShutdownPlan::new()
        .finish(Duration::ZERO)
        .on_request(move |reason| sender.send(reason.clone()).unwrap());
    let mut ends = pin!(registry.shutdown_when(&stop, plan));
    let wakes = Wakes::new();
    assert!(wakes.poll(ends.as_mut()).is_pending());
    assert!(told.try_recv().is_err() && !registry.is_closed());
    stop.cancel_with("deployed anew");
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(ends.as_mut()).is_pending());
    assert_eq!(told.recv(), Ok(Reason::manual("deployed anew")));
    assert!(registry.is_closed());
    assert_eq!(support::block_on(run), Err(Cancelled::new("deployed anew")));
    let Poll::Ready(end) = wakes.poll(ends.as_mut()) else { panic!("still waiting") };
    assert_eq!((end.exit_code(), end.insisted), (ExitCode::SUCCESS, false));
    assert!(end.to_string().starts_with("cancelled: deployed anew\nshutdown: the only "), "{end}");
}

#[test]
fn open_during_the_load_balancer_delay() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let plan = ShutdownPlan::new().load_balancer_delay(Duration::from_millis(30)).grace(LONG);
    let asked = async { Reason::signal(Signal::Term) };
    let began = Instant::now();
    let mut ends = pin!(registry.shutdown_when(asked, plan));
    assert!(poll_once(ends.as_mut()).is_pending());
    assert!(!registry.is_closed());
    let served = async { 7 }.cancelable(never()).registered_in(&registry);
    assert_eq!(support::block_on(served), Ok(7));
    let end = support::block_on(ends);
    assert!(registry.is_closed() && began.elapsed() >= Duration::from_millis(30));
    assert_eq!(end.reason, Reason::signal(Signal::Term));
}

#[test]
fn no_load_balancer_delay_after_ctrl_c() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let plan = ShutdownPlan::new().load_balancer_delay(LONG);
    let asked = async { Reason::signal(Signal::Int) };
    assert!(poll_once(pin!(registry.shutdown_when(asked, plan))).is_ready());
}

#[test]
fn a_second_request_ends_delay_finish_and_grace() {
    let _watchdog = support::watchdog();
    let (registry, again) = (Registry::new(), CancellationToken::new());
    let deaf = pending::<()>().cancelable(never()).grace(LONG).registered_in(&registry);
    let (_, run) = started(deaf);
    let plan = ShutdownPlan::new().load_balancer_delay(LONG).grace(LONG).settle(LONG);
    let asked = async { Reason::signal(Signal::Term) };
    let second = again.clone();
    let mut ends = pin!(registry.shutdown_when(asked, plan).insist_when(move || second));
    assert!(poll_once(ends.as_mut()).is_pending());
    assert!(!registry.is_closed());
    again.cancel();
    assert!(poll_once(ends.as_mut()).is_pending());
    assert!(registry.is_closed());
    assert!(support::block_on(run).unwrap_err().was_forced());
    let end = support::block_on(ends);
    assert!(end.insisted && end.report.is_clean());
    assert_eq!(end.exit_code(), ExitCode::from(143));
}

#[test]
fn exit_code_of_a_failure() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, _run) = running(&registry, "stuck");
    let plan = ShutdownPlan::new().finish(Duration::ZERO).grace(Duration::from_millis(1));
    let end = support::block_on(registry.shutdown_when(async { Reason::manual("stop") }, plan));
    assert_eq!(end.exit_code(), ExitCode::FAILURE);
}

#[test]
fn panicking_hook() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let plan = ShutdownPlan::new().on_request(|_| panic!("on purpose"));
    let end = support::block_on(registry.shutdown_when(async { Reason::manual("stop") }, plan));
    assert!(end.report.is_clean());
}

#[test]
fn service_returns() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "a");
    let plan = ShutdownPlan::new().load_balancer_delay(LONG).finish(Duration::ZERO);
    let stop = registry.shutdown_when(never(), plan);
    let mut serving = pin!(stop.serve(async { 7 }));
    assert!(poll_once(serving.as_mut()).is_pending());
    assert_eq!(operation.reason(), Some(Reason::manual("the service ended")));
    drop(run);
    let (served, end) = support::block_on(serving);
    assert_eq!((served, end.exit_code()), (Some(7), ExitCode::SUCCESS));
}

#[test]
fn second_request_after_the_service_returned() {
    let _watchdog = support::watchdog();
    let (registry, again) = (Registry::new(), CancellationToken::new());
    let deaf = pending::<()>().cancelable(never()).grace(LONG).registered_in(&registry);
    let (_, run) = started(deaf);
    let second = again.clone();
    let plan = ShutdownPlan::new().finish(Duration::ZERO).grace(LONG).settle(LONG);
    let stop = registry.shutdown_when(never(), plan).insist_when(move || second);
    let mut serving = pin!(stop.serve(async { 7 }));
    let wakes = Wakes::new();
    assert!(wakes.poll(serving.as_mut()).is_pending());
    again.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(serving.as_mut()).is_pending());
    assert!(support::block_on(run).unwrap_err().was_forced());
    let (served, end) = support::block_on(serving);
    assert_eq!((served, end.insisted, end.exit_code()), (Some(7), true, ExitCode::FAILURE));
}

#[test]
fn service_is_dropped_at_the_end() {
    let _watchdog = support::watchdog();
    let (registry, tally) = (Registry::new(), Tally::new());
    let stop = registry.shutdown_when(async { Reason::manual("stop") }, ShutdownPlan::new());
    let (served, end) = support::block_on(stop.serve(tally.ready_at(0)));
    assert!(served.is_none() && end.report.is_clean());
    assert_eq!((tally.polls(), tally.drops()), (1, 1));
}

on_every_executor! {
    async fn serves_until_asked() {
        let registry = Registry::new();
        let (stop, of_service) = (CancellationToken::new(), registry.clone());
        let asks = stop.clone();
        let service = async move {
            for number in 0.. {
                let request = async move { number }.cancelable(never()).registered_in(&of_service);
                if request.await.is_err() {
                    break;
                }
                if number == 5 {
                    asks.cancel_with("enough");
                }
                smol::future::yield_now().await;
            }
            pending::<()>().await;
        };
        let plan = ShutdownPlan::new().load_balancer_delay(Duration::from_millis(5)).grace(LONG);
        let (served, end) = registry.shutdown_when(&stop, plan).serve(service).await;
        assert_eq!(served, None);
        assert!(end.report.is_clean());
        assert!(registry.stats().completed >= 6);
    }
}
