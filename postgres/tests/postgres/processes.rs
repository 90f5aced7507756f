//! Worker processes that are killed or stopped by a signal. They run the example `worker`.

use std::env;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use cancelable_bus::{Bus, Delivery, Key, Request, RunId};
use cancelable_postgres::Postgres;
use smol::Timer;
use uuid::Uuid;

use crate::support::{Loopback, engine, server, watchdog};

/// A little more than the shortest lease that the bus accepts with these intervals.
const LEASE: Duration = Duration::from_secs(5);

/// A process that has begun one run. It is killed when this is dropped.
struct Worker {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    run: RunId,
}

impl Worker {
    /// Starts a process and waits until its run has begun.
    fn start(key: &Key) -> Self {
        // Cargo builds the examples before it runs the tests.
        let mut path = env::current_exe().expect("the test has a path");
        path.pop();
        path.pop();
        let mut command = Command::new(path.join("examples/worker"));
        command.args([&server().url(), key.as_str(), &LEASE.as_secs().to_string()]);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the example was built");
        let output = process.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(output).lines();
        let run = lines.next().expect("a line").expect("a line");
        let run = RunId::from(run.parse::<Uuid>().expect("an identifier"));
        Worker { process, lines, run }
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let kill = kill.args(["-s", name, &self.process.id().to_string()]);
        assert!(kill.status().expect("the program `kill`").success());
    }

    /// Returns the reason that the process printed.
    fn reason(&mut self) -> String {
        self.lines.next().expect("a line").expect("a line")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Starts a bus that only asks, and calls `test` with it and a key that no other test uses.
fn with_requester(test: impl AsyncFnOnce(Bus<Postgres<Loopback>>, Key)) {
    let _watchdog = watchdog();
    let server = server();
    let settings = Bus::builder(engine(&server.url(), server.port()));
    let settings = settings.poll_every(Duration::from_millis(200));
    let (requester, driver) = settings.lease(LEASE).build().expect("valid settings");
    let _driver = smol::spawn(driver);
    let key = Key::new(RunId::new().to_string()).expect("a key");
    smol::block_on(test(requester, key));
}

/// Longer than every lease, and the calls that follow it.
const LONG: Duration = Duration::from_secs(40);

/// (f) The run of a process that was killed is unknown once the lease is over. The next run of the same key is not touched.
#[test]
fn a_killed_process_is_unknown() {
    with_requester(async |requester, key| {
        let worker = Worker::start(&key);
        worker.signal("KILL");
        let request = requester.cancel_key(key.clone(), "stop").await.expect("a request");
        let deliveries = requester.deliveries(request, LONG).await.expect("deliveries");
        assert_eq!(deliveries, [(worker.run, Delivery::Unknown)]);

        let mut next = Worker::start(&key);
        let again = Request::run(worker.run, "stop the old run");
        requester.send(&again).await.expect("a request");
        let delivery = requester.delivery(again.id(), LONG).await.expect("a delivery");
        assert_eq!(delivery, Delivery::Unknown);
        let request = requester.cancel(next.run, "stop the new run").await.expect("a request");
        let delivery = requester.delivery(request, LONG).await.expect("a delivery");
        assert_eq!(delivery, Delivery::Delivered { first: true });
        assert_eq!(next.reason(), "`work` cancelled: stop the new run");
    });
}

/// (g) A process is stopped for longer than its lease. Its run is unknown meanwhile, and gets the request when the process
/// continues.
#[test]
fn a_stopped_process_gets_the_request_later() {
    with_requester(async |requester, key| {
        let mut worker = Worker::start(&key);
        worker.signal("STOP");
        let request = requester.cancel(worker.run, "stop").await.expect("a request");
        let delivery = requester.delivery(request, LONG).await.expect("a delivery");
        assert_eq!(delivery, Delivery::Unknown);
        Timer::after(Duration::from_secs(1)).await;
        worker.signal("CONT");
        assert_eq!(worker.reason(), "`work` cancelled: stop");
        while requester.delivery(request, LONG).await.expect("a delivery") == Delivery::Unknown {
            Timer::after(Duration::from_millis(50)).await;
        }
        let delivery = requester.delivery(request, LONG).await.expect("a delivery");
        assert_eq!(delivery, Delivery::Delivered { first: true });
    });
}
