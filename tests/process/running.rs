//! Children that other code has started.

use std::os::unix::process::CommandExt;
use std::pin::pin;
use std::process::Stdio;

use cancelable::prelude::*;
use cancelable::process::RunningChild;
use futures::{AsyncReadExt, AsyncWriteExt};
use smol::process::{Child, Command};

use super::{LONG, Place, SHORT, status, stopped, until};
use crate::support;

const POLITE: &str = "trap 'echo bye; exit 5' TERM; echo hello; note ready $$
    while :; do sleep 0.01; done";

const STUBBORN: &str = "trap '' TERM; note ready $$; exec sleep 600";

/// Starts a script. It leads a process group if `leads_group` is set.
fn start(place: &Place, script: &str, leads_group: bool) -> Child {
    let mut command = std::process::Command::new("/bin/sh");
    command.arg("-c").arg(Place::script(script)).current_dir(place.0.path());
    if leads_group {
        command.process_group(0);
    }
    Command::from(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn talks_and_ends() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let mut command = Command::new("cat");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let run = RunningChild::from(child).cancelable(never()).named("cat");
        let operation = run.operation();
        let talk = async move {
            stdin.write_all(b"hello").await.unwrap();
            drop(stdin);
            let mut answer = String::new();
            stdout.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (output, answer) = futures::join!(run, talk);
        let output = output.unwrap();
        assert!(output.status.success());
        // The pipe had been taken, so nothing was collected.
        assert_eq!((output.stdout.as_slice(), answer.as_str()), (&b""[..], "hello"));
        assert_eq!(operation.status(), Status::Completed);
    });
}

#[test]
fn input_that_was_not_taken_is_closed() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let output = RunningChild::from(child).cancelable(never()).await.unwrap();
        assert!(output.status.success());
    });
}

#[test]
fn g20_running_child_is_asked() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token) = (Place::new(), CancellationToken::new());
        let child = RunningChild::from(start(&place, POLITE, false));
        let run = child.cancelable(&token).grace(LONG);
        let cancels = async {
            place.until("ready").await;
            token.cancel_with("closing");
        };
        let (outcome, ()) = futures::join!(run, cancels);
        let stopped = stopped(outcome);
        assert_eq!(stopped.to_string(), "cancelled: closing (exit status: 5)");
        assert_eq!(stopped.stdout, b"hello\nbye\n");
        assert!(!stopped.cancelled.was_forced());
        assert!(place.process("ready").is_gone());
    });
}

#[test]
fn g20_running_child_is_asked_if_the_source_has_fired_first() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        for by_handle in [false, true] {
            let (place, token) = (Place::new(), CancellationToken::new());
            let child = start(&place, POLITE, false);
            place.until("ready").await;
            let run = RunningChild::from(child).cancelable(&token).grace(LONG);
            let operation = run.operation();
            if by_handle {
                operation.cancel_with("closing");
            } else {
                token.cancel_with("closing");
            }
            let stopped = stopped(run.await);
            assert_eq!(stopped.to_string(), "cancelled: closing (exit status: 5)");
            assert_eq!(stopped.stdout, b"hello\nbye\n");
            assert_eq!(operation.status(), Status::Cancelled);
        }
    });
}

#[test]
fn g20_running_child_is_killed_after_the_grace_period() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        for fires_first in [false, true] {
            let (place, token) = (Place::new(), CancellationToken::new());
            let child = start(&place, STUBBORN, false);
            place.until("ready").await;
            let mut run = pin!(RunningChild::from(child).cancelable(&token).grace(SHORT));
            if !fires_first {
                assert!(futures::poll!(run.as_mut()).is_pending());
            }
            token.cancel();
            let stopped = stopped(run.await);
            assert_eq!(status(&stopped), "signal: 9 (SIGKILL)");
            assert!(stopped.cancelled.was_forced());
            assert!(place.process("ready").is_gone());
        }
    });
}

#[test]
fn g20_race_around_a_running_child_waits_for_it() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token) = (Place::new(), CancellationToken::new());
        let child = start(
            &place,
            "trap 'note bye; exit' TERM; note ready $$; while :; do sleep 0.01; done",
            false,
        );
        let work = RunningChild::from(child).cancelable(never()).grace(LONG);
        let outer = work.cancelable(&token).named("outer");
        let cancels = async {
            place.until("ready").await;
            token.cancel();
        };
        let (outcome, ()) = futures::join!(outer, cancels);
        assert!(outcome.is_err());
        assert!(place.has("bye") && place.process("ready").is_gone());
    });
}

#[test]
fn g20_running_child_that_was_waited_for_wins() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, token) = (Place::new(), CancellationToken::new());
        let mut child = start(&place, "exit 3", true);
        assert_eq!(child.status().await.unwrap().code(), Some(3));
        token.cancel();
        let run = RunningChild::from(child).process_group().cancelable(&token);
        assert_eq!(run.await.unwrap().status.code(), Some(3));
    });
}

#[test]
fn g20_running_child_that_is_dropped_is_killed() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        for is_polled in [false, true] {
            let place = Place::new();
            let child = start(&place, STUBBORN, false);
            place.until("ready").await;
            let mut run = Box::pin(RunningChild::from(child).cancelable(never()));
            if is_polled {
                assert!(futures::poll!(run.as_mut()).is_pending());
            }
            drop(run);
            until(|| place.process("ready").is_gone()).await;
        }
    });
}

#[test]
fn g20_group_of_a_running_child_is_asked() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let child = start(&place, "sleep 600 & note other $!; note ready $$; wait", true);
        place.until("ready").await;
        let run = RunningChild::from(child).process_group().cancelable(timeout(SHORT));
        assert_eq!(status(&stopped(run.grace(LONG).await)), "signal: 15 (SIGTERM)");
        until(|| place.process("other").has_ended()).await;
    });
}

#[test]
fn g20_running_child_without_a_group_gets_the_signal_alone() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let script = "sleep 600 >&- 2>&- & note other $!; note ready $$; wait";
        let child = start(&place, script, false);
        place.until("ready").await;
        let run = RunningChild::from(child).process_group().cancelable(timeout(SHORT));
        assert_eq!(status(&stopped(run.grace(LONG).await)), "signal: 15 (SIGTERM)");
        let other = place.process("other");
        assert!(!other.has_ended());
        other.kill();
    });
}
