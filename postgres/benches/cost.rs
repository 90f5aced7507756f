//! What the bus costs on a private server on loopback: `cargo bench -p cancelable-postgres`. `-- --quick` is a smoke test.
//!
//! Each figure comes with its ratio to the time that the server alone takes for the same statements.

use std::future::pending;
use std::time::{Duration, Instant};

use cancelable::Status;
use cancelable::prelude::*;
use cancelable_bus::engine::{Engine, NewRun, Process, Receipt, Received, RunEnd};
use cancelable_bus::{Bus, Request, RunId, Scope, Ticket};
use cancelable_postgres::Postgres;
use cancelable_postgres::tokio_postgres::{AsyncMessage, Client, NoTls};
use private_postgres::Server;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const LEASE: Duration = Duration::from_secs(600);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let times = if quick { 20 } else { 2_000 };
    let server = Server::start().unwrap_or_else(|error| panic!("{error}"));
    let port = server.port();
    let connect = move || async move {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let engine = Postgres::new(server.url().parse().expect("a URL"), connect);
    engine.migrate().await.expect("a migration");
    let engine: &'static _ = Box::leak(Box::new(engine));
    tokio::spawn(engine.drive());
    let process = Process::new(Scope::new("bench").expect("a scope"), "");
    engine.connect(&process, LEASE).await.expect("a connection");
    let (client, mut notified) = listen(&server).await;

    let mut notify = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        client.batch_execute("NOTIFY bench").await.expect("a notification");
        notified.recv().await.expect("a notification");
        notify.push(began.elapsed());
    }
    let mut cancel = Vec::new();
    for _ in 0..times {
        let runs = [NewRun::new(RunId::new(), None, "")];
        engine.begin(process.id, &runs).await.expect("an insert");
        let began = Instant::now();
        let request = Request::run(runs[0].id, "stop");
        engine.request(&process, &request).await.expect("a request");
        engine.hint().await;
        let polled = engine.poll(process.id, LEASE).await.expect("an answer").expect("a process");
        assert!(polled.pending.iter().any(|pending| pending.run == runs[0].id));
        cancel.push(began.elapsed());
        let ends = [RunEnd::new(runs[0].id, Status::Cancelled)];
        let receipts = [Receipt::new(request.id(), runs[0].id, Received::First)];
        engine.finish(process.id, &receipts, &ends).await.expect("an update");
        // The process is the requester, too, and hears of the receipt.
        engine.hint().await;
    }
    println!(
        "from the request to the end of the poll that has it, beside NOTIFY and its notification:"
    );
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let (cancel, notify) = (at(&mut cancel, part), at(&mut notify, part));
        let ratio = cancel.as_secs_f64() / notify.as_secs_f64();
        println!("  {name} {cancel:?}, {notify:?}, ratio {ratio:.1}");
    }

    client.batch_execute("CREATE TABLE bare (id uuid PRIMARY KEY)").await.expect("a table");
    let insert = client.prepare("INSERT INTO bare VALUES ($1)").await.expect("a statement");
    let began = Instant::now();
    for _ in 0..times {
        client.execute(&insert, &[&RunId::new().as_uuid()]).await.expect("an insert");
    }
    let bare = per_second(times, began);
    println!("beginnings and ends of runs in a second, beside bare inserts ({bare:.0}):");
    for batch in [1, 10, 100] {
        let began = Instant::now();
        for _ in 0..times.div_ceil(batch) {
            let runs: Vec<_> = (0..batch).map(|_| NewRun::new(RunId::new(), None, "")).collect();
            engine.begin(process.id, &runs).await.expect("an insert");
            let ends = runs.iter().map(|run| RunEnd::new(run.id, Status::Completed));
            engine.finish(process.id, &[], &ends.collect::<Vec<_>>()).await.expect("an update");
        }
        let runs = per_second(times.div_ceil(batch) * batch, began);
        println!("  {batch} in a call: {runs:.0}, ratio {:.2}", runs / bare);
    }

    for count in [0, if quick { 100 } else { 10_000 }] {
        let runs: Vec<_> = (0..count).map(|_| NewRun::new(RunId::new(), None, "")).collect();
        for batch in runs.chunks(1000) {
            engine.begin(process.id, batch).await.expect("an insert");
        }
        let began = Instant::now();
        for _ in 0..times {
            engine.poll(process.id, LEASE).await.expect("an answer");
        }
        println!("a poll with {count} runs that wait: {:?}", began.elapsed() / times as u32);
    }

    println!("transactions of the server in a second, while all runs of a process wait:");
    let (settle, seconds) = if quick { (1, 1) } else { (12, 20) };
    for count in [0, 1, if quick { 100 } else { 10_000 }] {
        let engine = Postgres::new(server.url().parse().expect("a URL"), connect);
        let (bus, driver) = Bus::builder(engine).build().expect("valid settings");
        let driver = tokio::spawn(driver);
        let works: Vec<_> = (0..count).map(|_| pending::<()>().cancelable(never())).collect();
        let runs = works.iter().map(|work| bus.register(&work.operation(), Ticket::new()));
        for run in runs.collect::<Vec<_>>() {
            while !run.begun().await {}
        }
        // The server counts what a busy connection did up to ten seconds late.
        tokio::time::sleep(Duration::from_secs(settle)).await;
        let before = transactions(&client).await;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let done = transactions(&client).await - before;
        println!("  {count} runs: {:.1}", done as f64 / seconds as f64);
        drop(works);
        bus.close().await;
        driver.await.expect("no panic");
    }
}

/// Returns how many transactions the server has committed for this database. Reading it is one of them.
async fn transactions(client: &Client) -> i64 {
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(sql, &[]).await.expect("a row").get(0)
}

/// Returns a client that listens, and a stream of its notifications.
async fn listen(server: &Server) -> (Client, UnboundedReceiver<()>) {
    let config: cancelable_postgres::tokio_postgres::Config = server.url().parse().expect("a URL");
    let stream = TcpStream::connect(("127.0.0.1", server.port())).await.expect("a stream");
    stream.set_nodelay(true).expect("an option");
    let (client, mut connection) = config.connect_raw(stream, NoTls).await.expect("a connection");
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(std::future::poll_fn(move |context| {
        while let std::task::Poll::Ready(message) = connection.poll_message(context) {
            match message {
                Some(Ok(AsyncMessage::Notification(_))) => _ = sender.send(()),
                Some(Ok(_)) => {}
                _ => return std::task::Poll::Ready(()),
            }
        }
        std::task::Poll::Pending
    }));
    client.batch_execute("LISTEN bench").await.expect("a listener");
    (client, receiver)
}

fn at(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() as f64 * part) as usize).min(times.len() - 1)]
}

fn per_second(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}
