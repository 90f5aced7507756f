//! A worker: registers one run under a key, prints its identifier, and waits until another process cancels it.
//!
//! ```text
//! cargo run --example worker -p cancelable-postgres -- postgres://USER:PASSWORD@127.0.0.1:PORT/DATABASE KEY [LEASE IN SECONDS]
//! ```

use std::env;
use std::error::Error;
use std::io;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable_bus::{Bus, Key};
use cancelable_postgres::Postgres;
use smol::net::TcpStream;
use tokio_util::compat::FuturesAsyncReadCompatExt;

const USAGE: &str = "usage: worker URL KEY [LEASE IN SECONDS]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let url: String = arguments.next().ok_or(USAGE)?;
    let key = Key::new(arguments.next().ok_or(USAGE)?)?;
    let lease = arguments.next().map_or(Ok(15), |seconds| seconds.parse())?;

    let config: cancelable_postgres::tokio_postgres::Config = url.parse()?;
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let engine = Postgres::new(config, move || async move {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        io::Result::Ok(stream.compat())
    });
    let settings = Bus::builder(engine).host("worker").lease(Duration::from_secs(lease));
    let (bus, driver) = settings.poll_every(Duration::from_millis(200)).build()?;
    let driver = smol::spawn(driver);

    smol::block_on(async {
        let work = std::future::pending::<()>().cancelable(never()).named("work");
        let run = bus.register(&work.operation(), key);
        while !run.begun().await {}
        println!("{}", run.id());
        if let Err(cancelled) = work.await {
            println!("{cancelled}");
        }
        // Writes the receipt.
        bus.close().await;
        driver.await;
    });
    Ok(())
}
