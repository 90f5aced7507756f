//! A page that shows the processes of the fleet: a table in the dashboard of `cancelable-tower`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use axum::Router;
use cancelable::Registry;
use cancelable_bus::{Bus, ProcessStatus};
use cancelable_tower::{Dashboard, Table};
use tokio::net::TcpListener;

use crate::{Fleet, Result, requester};

/// How often the store is asked.
const EVERY: Duration = Duration::from_millis(500);

/// A page that is served until the program ends.
pub(crate) struct Page {
    pub(crate) url: String,
    address: SocketAddr,
}

/// Starts to serve the page, on a thread with a runtime of its own.
pub(crate) fn serve(fleet: &Fleet) -> Result<Page> {
    let settings = Bus::builder(requester::engine(fleet)?).host("page");
    let (bus, driver) =
        settings.call_limit(requester::CALL_LIMIT).lease(requester::LEASE).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let address = listener.local_addr()?;

    let shown: Arc<Mutex<Vec<ProcessStatus>>> = Arc::default();
    let read = shown.clone();
    let dashboard = Dashboard::new(Registry::global())
        .table("Fleet", move || table(&read.lock().unwrap_or_else(PoisonError::into_inner)));
    let app = Router::new().nest_service("/dashboard", dashboard);
    thread::spawn(move || {
        runtime.block_on(async move {
            tokio::spawn(driver);
            tokio::spawn(async move {
                loop {
                    if let Ok(processes) = bus.processes().await {
                        *shown.lock().unwrap_or_else(PoisonError::into_inner) = processes;
                    }
                    tokio::time::sleep(EVERY).await;
                }
            });
            axum::serve(listener, app).await
        })
    });
    Ok(Page { url: format!("http://{address}/dashboard/tables/0"), address })
}

fn table(processes: &[ProcessStatus]) -> Table {
    let table = Table::new(["Host", "Process", "Lease", "Runs", "Unconfirmed requests"]);
    processes.iter().fold(table, |table, process| {
        table.row([
            process.host.to_string(),
            process.process.to_string(),
            if process.has_lease { "lasts" } else { "over" }.to_owned(),
            process.runs.to_string(),
            process.unconfirmed.to_string(),
        ])
    })
}

impl Page {
    /// Reads the page as a browser would, and prints its rows without their tags.
    pub(crate) fn print(&self) -> Result<()> {
        // By then the table has what the requester has done.
        thread::sleep(EVERY * 3);
        let mut stream = TcpStream::connect(self.address)?;
        let request =
            "GET /dashboard/tables/0 HTTP/1.1\r\nhost: fleet\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes())?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        for row in page.split("<tr><td").skip(1) {
            let cells = row.split("</td>").filter_map(|cell| cell.split_once('>'));
            let cells: Vec<_> =
                cells.map(|(_, text)| text).filter(|text| !text.contains('\n')).collect();
            println!("on the page: {}", cells.join(" | "));
        }
        Ok(())
    }
}
