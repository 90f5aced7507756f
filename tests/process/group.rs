//! Children that lead a process group.

use std::process::Stdio;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::process::Command;

use super::{LONG, Place, SHORT, status, stopped, until};
use crate::support;

/// Waits until another process of the group ignores SIGTERM.
const WHEN_ARMED: &str = "until [ -e armed ]; do sleep 0.01; done; note ready";

/// Runs the script as a group, cancels it once it has made the file `ready`, and returns what is left.
async fn stop(place: &Place, script: &str, grace: Duration) -> super::Stopped {
    stop_command(place, place.sh(script).process_group(), grace).await
}

async fn stop_command(place: &Place, command: Command, grace: Duration) -> super::Stopped {
    let run = command.cancelable(never()).grace(grace);
    let operation = run.operation();
    let cancels = async {
        place.until("ready").await;
        operation.cancel();
    };
    stopped(futures::join!(run, cancels).0)
}

#[test]
fn g20_whole_group_is_asked() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let script = "sleep 600 & note other $!; note ready $$; wait";
        let stopped = stop(&place, script, LONG).await;
        assert_eq!(status(&stopped), "signal: 15 (SIGTERM)");
        until(|| place.process("other").has_ended()).await;
    });
}

#[test]
fn g20_group_has_the_grace_period_while_it_holds_the_output() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let other =
            "trap 'sleep 0.1; echo bye; exit' TERM; note ready; while :; do sleep 0.01; done";
        let stopped = stop(&place, &format!("({other}) & wait"), LONG).await;
        assert_eq!(stopped.stdout, b"bye\n");
        assert_eq!(status(&stopped), "signal: 15 (SIGTERM)");
        assert!(!stopped.cancelled.was_forced());
    });
}

#[test]
fn g20_rest_of_the_group_is_killed_once_the_output_is_closed() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let other = "trap '' TERM; note armed; exec sleep 600 >&- 2>&-";
        let script = format!("({other}) & note other $!; {WHEN_ARMED}; wait");
        let stopped = stop(&place, &script, LONG).await;
        assert_eq!(status(&stopped), "signal: 15 (SIGTERM)");
        until(|| place.process("other").has_ended()).await;
    });
}

#[test]
fn g20_stubborn_group_is_killed_after_the_grace_period() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let other = "trap '' TERM; echo hello; note armed; exec sleep 600";
        let script = format!("({other}) & note other $!; {WHEN_ARMED}; wait");
        let stopped = stop(&place, &script, SHORT).await;
        assert_eq!(stopped.stdout, b"hello\n");
        assert!(stopped.cancelled.was_forced());
        until(|| place.process("other").has_ended()).await;
    });
}

#[test]
fn g20_dropped_group_is_killed() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let script = "sleep 600 & note other $!; note ready $$; wait";
        let mut run = Box::pin(place.sh(script).process_group().cancelable(never()));
        assert!(futures::poll!(run.as_mut()).is_pending());
        place.until("ready").await;
        drop(run);
        until(|| place.process("ready").is_gone()).await;
        until(|| place.process("other").has_ended()).await;
    });
}

#[test]
fn group_of_a_child_that_ended_by_itself_continues() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let script = "sleep 600 >&- 2>&- & note other $!";
        let output = place.sh(script).process_group().cancelable(never()).await.unwrap();
        assert!(output.status.success());
        let other = place.process("other");
        assert!(!other.has_ended());
        other.kill();
    });
}

/// Returns a command whose output is not collected. So there is no end of the output that tells when the group has ended.
fn silent(place: &Place, script: &str) -> Command {
    place.sh(script).process_group().stdout(Stdio::null()).stderr(Stdio::null())
}

#[test]
fn g20_group_without_collected_output_has_the_grace_period() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let other =
            "trap 'sleep 0.3; note saved; exit' TERM; note ready; while :; do sleep 0.01; done";
        let command = silent(&place, &format!("({other}) & wait"));
        let stopped = stop_command(&place, command, LONG).await;
        assert!(!stopped.cancelled.was_forced());
        assert!(place.path("saved").exists());
    });
}

#[test]
fn g20_stubborn_group_without_collected_output_is_killed() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let other = "trap '' TERM; note armed; exec sleep 600";
        let script = format!("({other}) & note other $!; {WHEN_ARMED}; wait");
        let stopped = stop_command(&place, silent(&place, &script), SHORT).await;
        assert!(stopped.cancelled.was_forced());
        until(|| place.process("other").has_ended()).await;
    });
}

/// The child has stopped itself with SIGSTOP. It also gets SIGCONT, so that it can handle SIGTERM.
#[test]
fn g20_stopped_child_is_continued() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let script = "note ready; kill -STOP $$; wait";
        let run = place.sh(script).cancelable(never()).grace(LONG);
        let operation = run.operation();
        let cancels = async {
            place.until("ready").await;
            smol::Timer::after(Duration::from_millis(100)).await;
            operation.cancel();
        };
        let stopped = stopped(futures::join!(run, cancels).0);
        assert_eq!(status(&stopped), "signal: 15 (SIGTERM)");
        assert!(!stopped.cancelled.was_forced());
    });
}
