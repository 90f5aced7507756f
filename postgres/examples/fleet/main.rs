//! Starts a private PostgreSQL and four worker processes with 2,500 operations each. A fifth process cancels half of
//! them at random moments: before, while and after they begin. Prints what was delivered, how late, and the receipts, and
//! fails unless exactly the right operations were cancelled.
//!
//! The workers run on tokio, the requester on smol.
//!
//! ```text
//! cargo run --example fleet -p cancelable-postgres [OPERATIONS PER WORKER]
//! ```
//!
//! While it runs, it serves a page that shows the processes, at the address that it prints.

mod page;
mod report;
mod requester;
mod worker;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cancelable_bus::RunId;
use private_postgres::Server;
use uuid::Uuid;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const WORKERS: usize = 4;

/// The time in which operations begin and requests are made.
const WINDOW: Duration = Duration::from_secs(4);

/// The settings of a process, passed as command-line arguments.
#[derive(Clone)]
struct Fleet {
    url: String,
    port: u16,
    /// The identifiers of the runs are this number plus their index.
    first_run: u128,
    operations: usize,
}

impl Fleet {
    fn total(&self) -> usize {
        WORKERS * self.operations
    }

    fn run(&self, index: usize) -> RunId {
        Uuid::from_u128(self.first_run.wrapping_add(index as u128)).into()
    }

    /// Starts a process of the fleet: this program, in another role.
    fn spawn(&self, role: &str) -> Result<Child> {
        let mut program = Command::new(env::current_exe()?);
        program.args([role, &self.url, &self.port.to_string()]);
        program.args([self.first_run.to_string(), self.operations.to_string()]);
        Ok(program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
    }

    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut next = || arguments.next().ok_or("too few arguments");
        Ok(Fleet {
            url: next()?,
            port: next()?.parse()?,
            first_run: next()?.parse()?,
            operations: next()?.parse()?,
        })
    }
}

/// Every second operation is cancelled.
fn is_chosen(index: usize) -> bool {
    index % 2 == 0
}

/// Returns a random moment in the window.
fn moment() -> Duration {
    let random = RandomState::new().hash_one(()) >> 32;
    WINDOW.mul_f64(random as f64 / f64::from(u32::MAX))
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("requester") => requester::run(&Fleet::from_arguments(arguments)?),
        Some(role) if role.starts_with("worker") => {
            let place = role.trim_start_matches("worker").parse()?;
            worker::run(Fleet::from_arguments(arguments)?, place)
        }
        Some(operations) => supervise(operations.parse()?),
        None => supervise(2_500),
    }
}

/// Runs the fleet and checks its results.
fn supervise(operations: usize) -> Result<()> {
    let server = Server::start()?;
    let (url, port) = (server.url(), server.port());
    let fleet = Fleet { url, port, first_run: Uuid::new_v4().as_u128(), operations };
    smol::block_on(requester::engine(&fleet)?.migrate())?;
    let (total, half) =
        (fleet.total(), (0..fleet.total()).filter(|index| is_chosen(*index)).count());
    println!(
        "{WORKERS} workers with {operations} operations each; {half} of {total} are cancelled"
    );

    let page = page::serve(&fleet)?;
    println!("the fleet: {}", page.url);

    let workers = (0..WORKERS).map(|place| fleet.spawn(&format!("worker{place}")));
    let workers = workers.collect::<Result<Vec<_>>>()?;
    let requester = fleet.spawn("requester")?;
    for line in lines_of(requester)? {
        println!("{line}");
    }
    page.print()?;
    // A worker ends when its input is closed. Close all inputs before waiting for the first worker.
    let mut late = BTreeMap::new();
    let (mut waiting, mut outputs) = (Vec::new(), Vec::new());
    for mut worker in workers {
        drop(worker.stdin.take());
        waiting.push(worker);
    }
    for worker in waiting {
        outputs.extend(lines_of(worker)?);
    }
    for line in outputs {
        let (index, micros) = line.split_once(' ').ok_or("a line of a worker has two numbers")?;
        late.insert(index.parse::<usize>()?, micros.parse::<u64>()?);
    }
    report::print(&fleet, &late)
}

/// Waits until a process has exited successfully, and returns its output.
fn lines_of(mut process: Child) -> Result<Vec<String>> {
    let output = process.stdout.take().ok_or("a process has no output")?;
    let lines = BufReader::new(output).lines().collect::<std::result::Result<_, _>>()?;
    let status = process.wait()?;
    if status.success() { Ok(lines) } else { Err(format!("a process failed: {status}").into()) }
}
