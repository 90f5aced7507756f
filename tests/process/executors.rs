//! Every executor.

use cancelable::prelude::*;
use cancelable::process::Command;

use super::{Place, SHORT, status, stopped};
use crate::support::on_every_executor;

on_every_executor! {
    async fn runs() {
        let output = Command::new("cat").input("hello").cancelable(never()).await.unwrap();
        assert_eq!(output.stdout, b"hello");
    }

    async fn stops() {
        let run = Command::new("sleep").arg("600").cancelable(timeout(SHORT));
        assert_eq!(status(&stopped(run.await)), "signal: 15 (SIGTERM)");
    }

    async fn kills() {
        let place = Place::new();
        let run = place.sh("trap '' TERM; note ready; exec sleep 600").cancelable(never());
        let operation = run.operation();
        let cancels = async {
            place.until("ready").await;
            operation.cancel();
        };
        let (outcome, ()) = futures::join!(run.grace(SHORT), cancels);
        assert_eq!(status(&stopped(outcome)), "signal: 9 (SIGKILL)");
    }
}
