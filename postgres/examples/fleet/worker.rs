//! A worker: registers operations, and records which of them were cancelled and how late.

use std::time::{SystemTime, UNIX_EPOCH};

use cancelable::prelude::*;
use cancelable_bus::{Bus, Ticket};
use cancelable_postgres::Postgres;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::{Fleet, Result, moment, requester};

pub(crate) fn run(fleet: Fleet, place: usize) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(work(fleet, place))
}

async fn work(fleet: Fleet, place: usize) -> Result<()> {
    let port = fleet.port;
    let engine = Postgres::new(fleet.url.parse()?, move || async move {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    let settings = Bus::builder(engine).host(format!("worker {place}"));
    let (bus, driver) =
        settings.call_limit(requester::CALL_LIMIT).lease(requester::LEASE).build()?;
    let driver = tokio::spawn(driver);

    let done = CancellationToken::new();
    let mut operations = JoinSet::new();
    for index in (place * fleet.operations..).take(fleet.operations) {
        let (bus, done, run) = (bus.clone(), done.clone(), fleet.run(index));
        operations.spawn(async move {
            tokio::time::sleep(moment()).await;
            let registered = micros();
            let operation = std::future::pending::<()>().cancelable(&done).named("job");
            let ticket: Ticket = format!("{run};;").parse().expect("a ticket");
            bus.register(&operation.operation(), ticket).begun().await;
            let reason = operation.await.expect_err("it ends only by cancellation").into_reason();
            // The message of a request is the time at which it was sent, and then its requester.
            let asked: u64 = reason.message()?.split(' ').next()?.parse().ok()?;
            Some((index, micros().saturating_sub(asked.max(registered))))
        });
    }

    // The parent closes the input when the requester is done.
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await??;
    done.cancel_with("the fleet is done");
    for (index, late) in operations.join_all().await.into_iter().flatten() {
        println!("{index} {late}");
    }
    bus.close().await;
    driver.await?;
    Ok(())
}

/// Returns the time, on the clock that the processes of one machine share.
pub(crate) fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64
}
