//! Children that are cancelled: asked, given time, killed.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::process::Command;

use super::{LONG, Place, SHORT, status, stopped, until};
use crate::support::{self, Wakes};

/// A script that prints a message and ends with status 5 when it gets SIGTERM.
const POLITE: &str = "trap 'echo bye; note bye; exit 5' TERM; echo hello; note ready $$
    while :; do sleep 0.01; done";

/// A script that ignores SIGTERM.
const STUBBORN: &str = "trap '' TERM; echo hello; note ready $$; exec sleep 600";

#[test]
fn g20_fired_source_starts_nothing() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let token = CancellationToken::new();
        token.cancel_with("closing");
        let run = place.sh("note ready").cancelable(&token);
        let operation = run.operation();
        let stopped = stopped(run.await);
        assert_eq!(stopped.to_string(), "`sh` cancelled: closing");
        assert_eq!((stopped.status, stopped.stdout.len()), (None, 0));
        assert_eq!(operation.status(), Status::Cancelled);
        assert!(!place.has("ready"));
    });
}

#[test]
fn g20_child_is_asked_and_its_output_is_kept() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token) = (Place::new(), CancellationToken::new());
        let run = place.sh(POLITE).cancelable(&token).grace(LONG);
        let operation = run.operation();
        let cancels = async {
            place.until("ready").await;
            token.cancel_with("closing");
        };
        let (outcome, ()) = futures::join!(run, cancels);
        let stopped = stopped(outcome);
        assert_eq!(stopped.stdout, b"hello\nbye\n");
        assert_eq!(status(&stopped), "exit status: 5");
        assert_eq!(stopped.cancelled.reason(), &Reason::manual("closing"));
        assert_eq!(stopped.cancelled.operation_name(), Some("sh"));
        assert!(!stopped.cancelled.was_forced());
        assert_eq!(operation.status(), Status::Cancelled);
        assert_eq!(operation.error().unwrap(), "`sh` cancelled: closing (exit status: 5)");
        assert!(place.process("ready").is_gone());
    });
}

#[test]
fn g20_time_limit() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let run = Command::new("sleep").arg("600").cancelable(timeout(SHORT));
        let stopped = stopped(run.await);
        assert!(stopped.cancelled.is_timeout());
        assert_eq!(status(&stopped), "signal: 15 (SIGTERM)");
    });
}

#[test]
fn g20_other_signal() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let run = Command::new("sleep").arg("600").stop_signal(Signal::Usr1);
        let status = stopped(run.cancelable(timeout(SHORT)).await).status.unwrap();
        assert_eq!(status.signal(), Some(Signal::Usr1.number()));
    });
}

#[test]
fn g20_stubborn_child_is_killed_after_the_grace_period() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        for grace in [SHORT, Duration::ZERO] {
            let place = Place::new();
            let run = place.sh(STUBBORN).cancelable(never()).grace(grace);
            let operation = run.operation();
            let cancels = async {
                place.until("ready").await;
                operation.cancel_with("closing");
            };
            let (outcome, ()) = futures::join!(run, cancels);
            let stopped = stopped(outcome);
            assert_eq!(stopped.to_string(), "`sh` cancelled: closing (signal: 9 (SIGKILL))");
            assert_eq!(stopped.stdout, b"hello\n");
            assert!(stopped.cancelled.was_forced());
            assert_eq!(operation.status(), Status::Cancelled);
            assert!(place.process("ready").is_gone());
        }
    });
}

#[test]
fn g20_force_ends_the_grace_period() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let run = place.sh(STUBBORN).cancelable(never()).grace(LONG);
        let operation = run.operation();
        let forces = async {
            place.until("ready").await;
            operation.cancel();
            smol::Timer::after(SHORT).await;
            assert!(!place.process("ready").has_ended());
            operation.force();
        };
        let (outcome, ()) = futures::join!(run, forces);
        assert!(stopped(outcome).cancelled.was_forced());
    });
}

#[test]
fn g20_canceller_chooses_the_grace_period() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let run = place.sh(STUBBORN).cancelable(never()).grace(LONG);
        let operation = run.operation();
        let cancels = async {
            place.until("ready").await;
            operation.cancel_with_grace("closing", SHORT);
        };
        let (outcome, ()) = futures::join!(run, cancels);
        assert!(stopped(outcome).cancelled.was_forced());
    });
}

#[test]
fn g20_child_that_has_ended_wins() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token, wakes) = (Place::new(), CancellationToken::new(), Wakes::new());
        let run = place.sh("echo out; note ready $$").cancelable(&token);
        let operation = run.operation();
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        place.until("ready").await;
        let child = place.process("ready");
        until(|| child.has_ended()).await;
        assert!(!child.is_gone(), "it is a zombie: nothing has waited for it");
        token.cancel();
        let Poll::Ready(Ok(output)) = wakes.poll(run.as_mut()) else { panic!("it has ended") };
        assert_eq!(output.stdout, b"out\n");
        assert!(child.is_gone());
        assert_eq!(operation.status(), Status::Completed);
    });
}

#[test]
fn g20_child_that_has_ended_wins_though_its_output_is_open() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token, wakes) = (Place::new(), CancellationToken::new(), Wakes::new());
        let run = place.sh("sleep 600 & note other $!; echo out; note ready $$").cancelable(&token);
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        place.until("ready").await;
        let mut polled = Poll::Pending;
        until(|| {
            polled = wakes.poll(run.as_mut());
            polled.is_ready() || place.process("ready").is_gone()
        })
        .await;
        if polled.is_pending() {
            token.cancel();
            polled = wakes.poll(run.as_mut());
        }
        place.process("other").kill();
        let Poll::Ready(Ok(output)) = polled else { panic!("it has ended") };
        assert_eq!(output.stdout, b"out\n");
    });
}

#[test]
fn g20_output_of_a_stopped_child_is_open() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let script = format!("sleep 600 & note other $!; {POLITE}");
        let run = place.sh(&script).cancelable(never()).grace(LONG);
        let operation = run.operation();
        let cancels = async {
            place.until("ready").await;
            operation.cancel();
            until(|| place.process("ready").is_gone()).await;
            // The child has ended, but its output is still open. This ends the grace period before the time for reading that
            // output is over.
            operation.force();
        };
        let (outcome, ()) = futures::join!(run, cancels);
        let other = place.process("other");
        assert!(!other.has_ended(), "it is in no group, so nothing asks it to end");
        other.kill();
        let stopped = stopped(outcome);
        assert_eq!(stopped.stdout, b"hello\nbye\n");
        assert_eq!(status(&stopped), "exit status: 5");
        assert!(!stopped.cancelled.was_forced());
    });
}

#[test]
fn g20_races_around_it_wait_for_the_grace_period() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token) = (Place::new(), CancellationToken::new());
        let script = "trap 'sleep 0.1; note bye; exit' TERM; note ready $$
            while :; do sleep 0.01; done";
        let work = async { place.sh(script).cancelable(never()).grace(LONG).await };
        let outer = work.cancelable(&token).cancelable(timeout(LONG)).named("outer");
        let cancels = async {
            place.until("ready").await;
            token.cancel();
        };
        let (outcome, ()) = futures::join!(outer, cancels);
        assert!(outcome.unwrap().is_err());
        assert!(place.has("bye"), "the child was killed before it could end");
        assert!(place.process("ready").is_gone());
    });
}

#[test]
fn g20_races_around_it_wait_for_the_kill() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token) = (Place::new(), CancellationToken::new());
        let work = async { place.sh(STUBBORN).cancelable(never()).grace(SHORT).await };
        let outer = work.cancelable(&token).named("outer");
        let cancels = async {
            place.until("ready").await;
            token.cancel();
        };
        let (outcome, ()) = futures::join!(outer, cancels);
        assert!(outcome.is_err());
        assert!(place.process("ready").is_gone());
    });
}

#[test]
fn g20_strict_drops_a_late_output() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token, wakes) = (Place::new(), CancellationToken::new(), Wakes::new());
        let run = place.sh("note ready $$").cancelable(&token).strict();
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        place.until("ready").await;
        until(|| place.process("ready").has_ended()).await;
        token.cancel();
        let Poll::Ready(outcome) = wakes.poll(run.as_mut()) else { panic!("it has ended") };
        assert_eq!(stopped(outcome).status, None);
    });
}

#[test]
fn clean_up_sees_the_outcome() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        fs::write(place.path("partial"), "").unwrap();
        let run = Command::new("sleep").arg("600").cancelable(timeout(SHORT));
        let run = run.finally(|outcome| {
            assert!(matches!(outcome, Ok(Err(_))), "{outcome:?}");
            async { fs::remove_file(place.path("partial")).unwrap() }
        });
        assert!(run.await.is_err());
        assert!(!place.has("partial"));
    });
}
