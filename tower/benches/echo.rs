//! What a limit on each request costs a real server: HTTP/1.1 over loopback, connections that are kept alive, and a
//! handler that echoes the body of the request.
//!
//! Three servers take turns. One puts each request under a timeout and a token of `cancelable`, one under those of
//! tokio with `select!`, and one under nothing. The bench prints requests per second, the processor time that the
//! server's thread takes for a request (on Linux), and how much more that is than under nothing in the same round. The
//! last line of each row is our share of what `select!` adds.
//!
//! `cargo bench -p cancelable-tower --bench echo` takes two minutes. With `-- --quick` it runs for a moment only.
//!
//! To count instructions, run it with valgrind's callgrind and `-- --requests NUMBER nothing`, `cancelable` or `select`,
//! with `pending` after that for a handler that is pending once. Run it with two numbers: the difference is the cost of
//! requests without the start. Client and server share a thread then.

use std::convert::Infallible;
use std::env;
use std::net::{SocketAddr, TcpListener as Listener};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

/// The connections, each of which sends one request after another.
const CONNECTIONS: usize = 8;
/// The share of what `select!` adds that a limit of ours may add.
const GOAL: f64 = 0.5;
/// Long enough that it never fires.
const LIMIT: Duration = Duration::from_secs(60);
const REQUEST: &[u8] =
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\necho echo echo hello";

/// What each request runs under.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limits {
    Nothing,
    Cancelable,
    Select,
}

const CONTESTANTS: [(&str, Limits); 3] = [
    ("nothing", Limits::Nothing),
    ("cancelable: timeout + token", Limits::Cancelable),
    ("tokio::select!: the same", Limits::Select),
];

/// When a client stops: whichever comes first.
#[derive(Clone, Copy)]
struct Effort {
    length: Duration,
    /// How many requests each connection sends.
    requests: u64,
}

/// The figures of one turn.
#[derive(Clone, Copy, Debug)]
struct Turn {
    requests_per_second: f64,
    /// The processor time of the server's thread for each request, if the system tells it.
    microseconds: Option<f64>,
}

fn main() {
    let arguments: Vec<_> = env::args().collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    if let Some(at) = arguments.iter().position(|argument| argument == "--requests") {
        let requests = arguments.get(at + 1).and_then(|number| number.parse().ok());
        let requests = requests.expect("a number follows --requests");
        let limits = match arguments.get(at + 2).map(String::as_str) {
            Some("nothing") => Limits::Nothing,
            Some("cancelable") => Limits::Cancelable,
            Some("select") => Limits::Select,
            other => panic!("nothing, cancelable or select follows the number, not {other:?}"),
        };
        return send(requests, limits, flag("pending"));
    }
    let quick = flag("--quick");
    let (rounds, length) =
        if quick { (1, Duration::from_millis(50)) } else { (20, Duration::from_secs(1)) };
    for (row, pends) in [("ready at once", false), ("pending once", true)] {
        let mut turns = CONTESTANTS.map(|_| Vec::new());
        for round in 0..rounds {
            // A different contestant starts each round.
            for offset in 0..CONTESTANTS.len() {
                let index = (round + offset) % CONTESTANTS.len();
                turns[index].push(take_turn(CONTESTANTS[index].1, pends, length));
            }
        }
        report(row, &turns);
    }
}

/// Sends this number of requests on each connection, for a profiler. Client and server share a thread, so that they take
/// turns in the same way each time.
fn send(requests: u64, limits: Limits, pends: bool) {
    let (listener, address) = listen();
    let runtime = Builder::new_current_thread().enable_all().build().expect("the runtime starts");
    runtime.block_on(async {
        let server = serve(listener, limits, pends);
        let (sent, ()) =
            tokio::join!(drive(address, Effort { length: Duration::MAX, requests }), server);
        println!("{sent} requests");
    });
}

/// Prints the median of each contestant's turns, and the middle half of the time that it adds.
fn report(row: &str, turns: &[Vec<Turn>]) {
    println!(
        "\n{row:<36} {:>10} {:>13} {:>8} {:>16}",
        "requests/s", "CPU us each", "more", "middle half"
    );
    let mut more = Vec::new();
    for ((name, _), own) in CONTESTANTS.iter().zip(turns) {
        let rate = quantile(0.5, own.iter().map(|turn| turn.requests_per_second));
        let cpu = quantile(0.5, own.iter().filter_map(|turn| turn.microseconds));
        // The machine is slower in one round and faster in another, so a turn is compared with the bare one of its round.
        let added = own.iter().zip(&turns[0]);
        let added = added.filter_map(|(turn, bare)| Some(turn.microseconds? - bare.microseconds?));
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| quantile(part, added.clone()));
        println!("{name:<36} {rate:>10.0} {cpu:>13.2} {middle:>8.2} {low:>7.2} to {high:>5.2}");
        more.push(middle);
    }
    if let [_, ours, select] = more[..] {
        let share = ours / select;
        let verdict = if share <= GOAL { "met" } else { "missed" };
        println!("{row}: {share:.2} of what select! adds (goal: {GOAL:.2}): {verdict}");
    }
}

/// Runs a server, and sends requests to it for as long as `length`.
fn take_turn(limits: Limits, pends: bool, length: Duration) -> Turn {
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("the runtime starts").block_on(serve(listener, limits, pends));
        processor_time()
    });
    let runtime = Builder::new_current_thread().enable_all().build().expect("the runtime starts");
    let began = Instant::now();
    let requests = runtime.block_on(drive(address, Effort { length, requests: u64::MAX }));
    let requests_per_second = requests as f64 / began.elapsed().as_secs_f64();
    let cpu = server.join().expect("the server does not panic");
    let microseconds = cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / requests as f64);
    Turn { requests_per_second, microseconds }
}

fn listen() -> (Listener, SocketAddr) {
    let listener = Listener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.set_nonblocking(true).expect("it is a socket");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Serves connections until all of them are closed.
async fn serve(listener: Listener, limits: Limits, pends: bool) {
    let listener = TcpListener::from_std(listener).expect("the runtime drives sockets");
    let token = CancellationToken::new();
    let tokios = tokio_util::sync::CancellationToken::new();
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (socket, _) = listener.accept().await.expect("the client connects");
        socket.set_nodelay(true).expect("it is a socket");
        let (token, tokios) = (token.clone(), tokios.clone());
        let service = service_fn(move |request| {
            answer(request, limits, pends, token.clone(), tokios.clone())
        });
        // A client that goes away between two requests is no error.
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
    connections.join_all().await;
}

async fn answer(
    request: Request<Incoming>,
    limits: Limits,
    pends: bool,
    token: CancellationToken,
    tokios: tokio_util::sync::CancellationToken,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let work = echo(request, pends);
    let body = match limits {
        Limits::Nothing => Some(work.await),
        Limits::Cancelable => work.cancelable(any_of((timeout(LIMIT), &token))).await.ok(),
        Limits::Select => tokio::select! {
            biased;
            body = work => Some(body),
            () = sleep(LIMIT) => None,
            () = tokios.cancelled() => None,
        },
    };
    let mut response = Response::new(Full::from(body.clone().unwrap_or_default()));
    if body.is_none() {
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    }
    Ok(response)
}

async fn echo(request: Request<Incoming>, pends: bool) -> Bytes {
    if pends {
        yield_now().await;
    }
    request.into_body().collect().await.expect("the body is whole").to_bytes()
}

/// Sends one request after another on each connection, and returns how many were answered.
async fn drive(address: SocketAddr, effort: Effort) -> u64 {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(async move {
            let mut socket = TcpStream::connect(address).await.expect("the server listens");
            socket.set_nodelay(true).expect("it is a socket");
            let (mut answer, mut answers) = ([0; 1024], 0);
            while began.elapsed() < effort.length && answers < effort.requests {
                socket.write_all(REQUEST).await.expect("the server reads");
                let mut read = 0;
                while !answer[..read].ends_with(b"hello") {
                    match socket.read(&mut answer[read..]).await {
                        Ok(more @ 1..) => read += more,
                        other => panic!("the server answers: {other:?}"),
                    }
                }
                assert!(answer.starts_with(b"HTTP/1.1 200"), "a limit fired");
                answers += 1;
            }
            answers
        });
    }
    clients.join_all().await.into_iter().sum()
}

/// Returns how long this thread has computed.
fn processor_time() -> Option<Duration> {
    let fields = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(fields.split_whitespace().next()?.parse().ok()?))
}

/// Returns the figure that this part of the others is below.
fn quantile(part: f64, figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let index = (part * figures.len() as f64) as usize;
    figures.get(index).copied().unwrap_or(f64::NAN)
}
