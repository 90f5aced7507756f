//! What the fleet did: how many operations were cancelled, how late, and what the tables say.

use std::collections::BTreeMap;
use std::time::Duration;

use cancelable_postgres::Connector;
use cancelable_postgres::tokio_postgres::{Config, NoTls};

use crate::{Fleet, Result, is_chosen, requester};

/// Prints the report. Fails unless exactly the chosen operations were cancelled.
pub(crate) fn print(fleet: &Fleet, late: &BTreeMap<usize, u64>) -> Result<()> {
    let wrong = (0..fleet.total()).filter(|index| late.contains_key(index) != is_chosen(*index));
    let wrong = wrong.count();
    let mut sorted: Vec<_> = late.values().copied().collect();
    sorted.sort_unstable();
    let at = |part: f64| {
        let index = (sorted.len() as f64 * part) as usize;
        let micros = sorted.get(index.min(sorted.len().saturating_sub(1))).copied();
        Duration::from_micros(micros.unwrap_or_default())
    };
    println!("late: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
    smol::block_on(async {
        let config: Config = fleet.url.parse()?;
        let stream = requester::connector(fleet).open().await?;
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        smol::spawn(connection).detach();
        for (what, sql) in TABLES {
            let count: i64 = client.query_one_scalar(*sql, &[]).await?;
            println!("{what}: {count}");
        }
        Result::Ok(())
    })?;
    println!("cancelled: {}, untouched: {}", late.len(), fleet.total() - late.len());
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} operations ended wrongly").into()) }
}

const TABLES: &[(&str, &str)] = &[
    ("receipts", "SELECT count(*) FROM cancelable.targets WHERE received IS NOT NULL"),
    (
        "requests without a receipt",
        "SELECT count(*) FROM cancelable.targets WHERE received IS NULL",
    ),
    ("runs that have not ended", "SELECT count(*) FROM cancelable.runs WHERE ended IS NULL"),
];
