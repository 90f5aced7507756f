//! Commands as operations: in groups, in registries, below other operations.

use std::time::Duration;

use cancelable::group::TaskError;
use cancelable::prelude::*;
use cancelable::process::{Command, CommandError};

use super::{LONG, Place, stopped};
use crate::support;

#[test]
fn member_of_a_group_is_stopped_when_another_fails() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let group = TaskGroup::fallible(|task| smol::spawn(task).detach());
        let script = "trap 'note bye; exit' TERM; note ready; while :; do sleep 0.01; done";
        let slow = place.sh(script).cancelable(never()).grace(LONG).named("slow");
        let slow = group.try_spawn_cancelable(slow);
        place.until("ready").await;
        group.try_spawn_cancelable(Command::new("/no/such/program").cancelable(never()));
        let error = group.try_join().await.unwrap_err();
        assert!(matches!(error, TaskError::Failed(CommandError::Failed(_))), "{error}");
        assert!(place.has("bye"), "the group ends after its members");
        let Err(TaskError::Failed(error)) = slow.await else { panic!("it was stopped") };
        let stopped = stopped::<()>(Err(error));
        assert_eq!(stopped.cancelled.operation_name(), Some("slow"));
        assert!(stopped.cancelled.is_parent());
    });
}

#[test]
fn shutdown_stops_commands() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let (place, registry) = (Place::new(), Registry::new());
        let script = "trap 'note bye; exit' TERM; note ready; while :; do sleep 0.01; done";
        let run = place.sh(script).cancelable(never()).grace(LONG).registered_in(&registry);
        let shuts_down = async {
            place.until("ready").await;
            assert_eq!(registry.list()[0].name.as_deref(), Some("sh"));
            registry.shutdown(Duration::ZERO).await
        };
        let (outcome, report) = futures::join!(run, shuts_down);
        assert!(report.remaining.is_empty(), "{report}");
        assert!(!stopped(outcome).cancelled.was_forced());
        assert!(place.has("bye"));
    });
}

#[test]
fn parent_passes_its_reason_on() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let build = scope(never(), async |_| {
            let script = "note ready; exec sleep 600";
            place.sh(script).cancelable(never()).grace(LONG).await
        });
        let build = build.named("build").grace(LONG);
        let operation = build.operation();
        let cancels = async {
            place.until("ready").await;
            operation.cancel_with("closing");
        };
        let (outcome, ()) = futures::join!(build, cancels);
        let stopped = stopped(outcome.unwrap());
        assert!(stopped.cancelled.is_parent());
        assert_eq!(stopped.cancelled.reason().root(), &Reason::manual("closing"));
    });
}
