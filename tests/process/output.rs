//! Children that end by themselves: their output, their status, and what may go wrong.

use std::io;
use std::process::Stdio;

use cancelable::prelude::*;
use cancelable::process::{Command, CommandError};

use super::{Place, until};
use crate::support;

const MEGABYTES: usize = 3_000_000;

#[test]
fn output_and_status() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let run = place.sh("echo out; echo err >&2; exit 3").cancelable(never());
        let operation = run.operation();
        let output = run.await.unwrap();
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(operation.status(), Status::Completed);
        assert_eq!(operation.name(), Some("sh"));
    });
}

#[test]
fn both_outputs_are_large() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let script =
            format!("head -c {MEGABYTES} /dev/zero & head -c {MEGABYTES} /dev/zero >&2; wait");
        let place = Place::new();
        let output = place.sh(&script).cancelable(never()).await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (MEGABYTES, MEGABYTES));
    });
}

#[test]
fn input_is_large() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let input: Vec<u8> = (0..MEGABYTES).map(|at| (at % 251) as u8).collect();
        let output = Command::new("cat").input(input.clone()).cancelable(never()).await.unwrap();
        assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
    });
}

#[test]
fn input_that_the_child_does_not_read() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let run = Command::new("true").input(vec![0; MEGABYTES]).cancelable(never());
        assert!(run.await.unwrap().status.success());
        let place = Place::new();
        let run = place.sh("exec <&-; echo ok").input(vec![0; MEGABYTES]);
        assert_eq!(run.cancelable(never()).await.unwrap().stdout, b"ok\n");
    });
}

#[test]
fn no_input() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        for command in [Command::new("cat"), Command::new("cat").stdin(Stdio::piped())] {
            let output = command.cancelable(never()).await.unwrap();
            assert!(output.status.success() && output.stdout.is_empty());
        }
    });
}

#[test]
fn stdout_that_is_not_collected() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let file = std::fs::File::create(place.path("log")).unwrap();
        let command = place.sh("echo out; echo err >&2").stdout(file).stderr(Stdio::null());
        let output = command.cancelable(never()).await.unwrap();
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
        assert_eq!(std::fs::read(place.path("log")).unwrap(), b"out\n");
    });
}

#[test]
fn child_that_closes_its_output_and_lives_on() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let run = place.sh(
            "exec >&- 2>&-; note closed; until [ -e go ]; do sleep 0.01; done; note done; exit 7",
        );
        let lets_go = async {
            place.until("closed").await;
            std::fs::write(place.path("go"), "").unwrap();
        };
        let (output, ()) = futures::join!(run.cancelable(never()), lets_go);
        assert_eq!(output.unwrap().status.code(), Some(7));
        assert!(place.has("done"));
    });
}

#[test]
fn output_held_open_by_a_grandchild() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let run = place.sh("sleep 600 & note other $!; echo out");
        let output = run.cancelable(never()).await.unwrap();
        let other = place.process("other");
        assert!(!other.has_ended());
        other.kill();
        assert_eq!(output.stdout, b"out\n");
        assert!(output.status.success());
    });
}

#[test]
fn late_output_of_a_grandchild_is_read() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let script = "(sleep 0.05; echo late) & echo early";
        let place = Place::new();
        let output = place.sh(script).cancelable(never()).await.unwrap();
        assert_eq!(output.stdout, b"early\nlate\n");
    });
}

#[test]
fn program_that_does_not_exist() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let run = Command::new("/no/such/program").cancelable(never());
        let operation = run.operation();
        let Err(CommandError::Failed(error)) = run.await else { panic!("it was not started") };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("could not start `program`: "), "{error}");
        assert_eq!(operation.status(), Status::Failed);
        assert_eq!(operation.error().unwrap(), error.to_string().as_str());
    });
}

#[test]
fn directory_that_does_not_exist() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let run = Command::new("true").current_dir("/no/such/directory").cancelable(never());
        assert!(matches!(run.await, Err(CommandError::Failed(_))));
    });
}

#[test]
fn converted_from_std() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "echo $A$B"]).env("A", "1").stdout(Stdio::null());
        let output = Command::from(command).env("B", "2").cancelable(never()).await.unwrap();
        assert_eq!(output.stdout, b"12\n");
    });
}

#[test]
fn waits_without_polling() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let run = place.sh("note started; until [ -e go ]; do sleep 0.01; done");
        let mut run = std::pin::pin!(run.cancelable(never()));
        let wakes = support::Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        place.until("started").await;
        assert_eq!(wakes.count(), 0, "nothing has happened to the child");
        std::fs::write(place.path("go"), "").unwrap();
        until(|| wakes.count() > 0).await;
    });
}
