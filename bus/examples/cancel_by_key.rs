//! Two workers and a requester in one process, over the store in memory. The requester cancels the jobs of one customer, and then
//! blocks the customer's next job.
//!
//! ```text
//! cargo run --example cancel_by_key -p cancelable-bus
//! ```

use std::error::Error;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable_bus::{Bus, Key, Memory};
use smol::Task;

type JobBus = Bus<Memory>;

/// Starts a job that takes an hour.
async fn start(bus: &JobBus, name: &'static str, customer: &Key) -> Task<()> {
    let job = timeout(Duration::from_secs(3600)).cancelable(never()).named(name);
    let run = bus.register(&job.operation(), customer.clone());
    // From here on, every request reaches the job.
    run.begun().await;
    smol::spawn(async move {
        match job.await {
            Ok(_) => println!("{name} is done"),
            Err(cancelled) => println!("{cancelled}"),
        }
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let store = Memory::new();
    let (first, first_driver) = Bus::builder(store.connection()).host("worker 1").build()?;
    let (second, second_driver) = Bus::builder(store.connection()).host("worker 2").build()?;
    let (requester, requester_driver) = Bus::builder(store).host("requester").build()?;
    let drivers = [first_driver, second_driver, requester_driver].map(smol::spawn);

    smol::block_on(async {
        let (ada, bob) = (Key::new("ada")?, Key::new("bob")?);
        let report = start(&first, "report", &ada).await;
        let export = start(&second, "export", &ada).await;
        let import = start(&second, "import", &bob).await;

        let request = requester.cancel_key(ada.clone(), "the account is closed").await?;
        let deliveries = requester.deliveries(request, Duration::from_secs(5)).await?;
        for (_, delivery) in &deliveries {
            println!("{delivery}");
        }
        report.await;
        export.await;
        println!("the import of bob goes on: {}", !import.is_finished());

        // A block also reaches the jobs that begin later.
        requester.block_key(ada.clone(), Duration::from_secs(60), "the account is blocked").await?;
        start(&first, "backup", &ada).await.await;

        for bus in [first, second, requester] {
            bus.close().await;
        }
        for driver in drivers {
            driver.await;
        }
        Ok(())
    })
}
