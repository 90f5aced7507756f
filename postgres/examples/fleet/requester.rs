//! The requester: cancels every second run at a random moment, and waits for the receipts.

use std::collections::BTreeMap;
use std::time::Duration;

use cancelable_bus::{Bus, Request};
use cancelable_postgres::{Connector, Postgres};
use smol::Timer;
use smol::net::TcpStream;
use tokio_util::compat::FuturesAsyncReadCompatExt;

use crate::worker::micros;
use crate::{Fleet, Result, is_chosen, moment};

/// A machine that runs the whole fleet is busy, so calls may take longer than usual.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(20);
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// Returns a connector that opens streams to the server without tokio.
pub(crate) fn connector(fleet: &Fleet) -> impl Connector + use<> {
    let port = fleet.port;
    move || async move {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream.compat())
    }
}

pub(crate) fn engine(fleet: &Fleet) -> Result<Postgres<impl Connector + use<>>> {
    Ok(Postgres::new(fleet.url.parse()?, connector(fleet)))
}

pub(crate) fn run(fleet: &Fleet) -> Result<()> {
    let settings = Bus::builder(engine(fleet)?).host("requester");
    let (bus, driver) = settings.call_limit(CALL_LIMIT).lease(LEASE).build()?;
    let driver = smol::spawn(driver);
    let chosen = (0..fleet.total()).filter(|index| is_chosen(*index));
    let requests: Vec<_> = chosen
        .map(|index| {
            let (bus, run) = (bus.clone(), fleet.run(index));
            smol::spawn(async move {
                Timer::after(moment()).await;
                let request = Request::run(run, micros().to_string()).by("fleet");
                bus.send(&request).await?;
                bus.delivery(request.id(), Duration::from_secs(60)).await
            })
        })
        .collect();
    smol::block_on(async {
        let mut deliveries = BTreeMap::new();
        for request in requests {
            *deliveries.entry(request.await?.to_string()).or_insert(0) += 1;
        }
        for (delivery, count) in deliveries {
            println!("{delivery}: {count}");
        }
        bus.close().await;
        driver.await;
        Ok(())
    })
}
