//! What the layer costs: requests per second over loopback, and nanoseconds for a call without sockets.
//!
//! Three services take turns: one without any limit, one in an `OperationLayer`, and one in a `select!` over its work, a
//! sleep of tokio and a token. The layer does more than that `select!`: it reads a header, names the request, lists it in a
//! registry, and covers the body of the response. The last line of each row is its share of what `select!` adds.
//!
//! `cargo bench -p cancelable-tower --bench overhead` takes one and a half minutes. With `-- --quick` it runs for a moment
//! only, and with `-- --in-process` without sockets. To count instructions with valgrind's callgrind, run it with
//! `-- --calls NUMBER` and two numbers: it makes that many calls with the layer, without it if `--bare` is given, or with
//! `select!` if `--select` is given.

use std::convert::Infallible;
use std::env;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use cancelable::Registry;
use cancelable_tower::{Inbound, OperationLayer};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tower::util::MapFutureLayer;
use tower::{Service, ServiceBuilder, service_fn};

const CONNECTIONS: usize = 8;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\ngrpc-timeout: 30S\r\n\r\n";
/// Long enough that it never fires.
const LIMIT: Duration = Duration::from_secs(60);

fn layer() -> OperationLayer {
    OperationLayer::new()
        .registered_in(&Registry::with_history_limit(0))
        .limit(LIMIT)
        .inbound(Inbound::grpc())
        .outermost()
}

/// Awaits the response of a service, under a limit and a token of tokio.
async fn select<B: Default, E>(
    response: impl Future<Output = Result<Response<B>, E>>,
    token: tokio_util::sync::CancellationToken,
) -> Result<Response<B>, E> {
    let stopped = |status| {
        let mut response = Response::new(B::default());
        *response.status_mut() = status;
        response
    };
    tokio::select! {
        biased;
        response = response => response,
        () = tokio::time::sleep(LIMIT) => Ok(stopped(StatusCode::GATEWAY_TIMEOUT)),
        () = token.cancelled() => Ok(stopped(StatusCode::SERVICE_UNAVAILABLE)),
    }
}

fn main() {
    let arguments: Vec<_> = env::args().collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("the runtime starts");
    // The sleeps of tokio need it, in calls without sockets too.
    let _entered = runtime.enter();
    if let Some(at) = arguments.iter().position(|argument| argument == "--calls") {
        let calls = arguments.get(at + 1).and_then(|number| number.parse().ok());
        let index = if flag("--bare") {
            0
        } else if flag("--select") {
            2
        } else {
            1
        };
        in_process(calls.expect("a number follows --calls"))[index]();
        return;
    }
    let quick = flag("--quick");
    let (rounds, length, calls) = if quick {
        (1, Duration::from_millis(50), 1_000)
    } else {
        (20, Duration::from_secs(1), 100_000)
    };
    if !flag("--in-process") {
        let app = Router::new().route("/", get(async || "hello"));
        let token = tokio_util::sync::CancellationToken::new();
        let by_hand =
            app.clone().layer(MapFutureLayer::new(move |response| select(response, token.clone())));
        let apps = [app.clone(), app.layer(layer()), by_hand];
        let addresses = apps.map(|app| runtime.block_on(serve(app)));
        let runtime = &runtime;
        let turns = addresses.map(|address| -> Turn<'_> {
            Box::new(move || 1e6 / runtime.block_on(drive(address, length)))
        });
        report("a request over loopback", "us", rounds, turns);
    }
    report("a call without sockets", "ns", rounds, in_process(calls));
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends one request after another on each connection, and returns how many were answered per second.
async fn drive(address: SocketAddr, length: Duration) -> f64 {
    let began = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| {
        tokio::spawn(async move {
            let mut socket = TcpStream::connect(address).await.expect("the server listens");
            socket.set_nodelay(true).expect("it is a socket");
            let (mut answer, mut answers) = ([0; 1024], 0);
            while began.elapsed() < length {
                socket.write_all(REQUEST).await.expect("the server reads");
                let mut read = 0;
                while !answer[..read].ends_with(b"hello") {
                    read += socket.read(&mut answer[read..]).await.expect("the server answers");
                }
                answers += 1;
            }
            answers
        })
    });
    let mut answers = 0;
    for client in clients.collect::<Vec<_>>() {
        answers += client.await.expect("the client does not panic");
    }
    f64::from(answers) / began.elapsed().as_secs_f64()
}

/// Measures one contestant once: how long each request takes.
type Turn<'a> = Box<dyn FnMut() -> f64 + 'a>;

/// Returns the contestants, each of which calls a service that answers at once.
fn in_process(calls: u32) -> [Turn<'static>; 3] {
    let mut bare = service_fn(hello);
    let mut layered = ServiceBuilder::new().layer(layer()).service(service_fn(hello));
    let token = tokio_util::sync::CancellationToken::new();
    let mut by_hand = service_fn(move |request| select(hello(request), token.clone()));
    [
        Box::new(move || time(calls, || smol::block_on(answer(bare.call(request()))))),
        Box::new(move || time(calls, || smol::block_on(answer(layered.call(request()))))),
        Box::new(move || time(calls, || smol::block_on(answer(by_hand.call(request()))))),
    ]
}

/// Lets the contestants take turns, and prints the median of their times, and of the time that each adds in its round.
fn report(row: &str, unit: &str, rounds: usize, mut turns: [Turn<'_>; 3]) {
    let mut figures = [const { Vec::new() }; 3];
    for round in 0..rounds {
        // A different contestant starts each round.
        for offset in 0..turns.len() {
            let index = (round + offset) % turns.len();
            figures[index].push(turns[index]());
        }
    }
    println!("\n{row:<36} {unit:>8} {:>8} {:>18}", "more", "middle half");
    let mut more = Vec::new();
    for (name, own) in ["nothing", "OperationLayer", "tokio::select!"].iter().zip(&figures) {
        let added = own.iter().zip(&figures[0]).map(|(own, bare)| own - bare);
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| quantile(part, added.clone()));
        let all = quantile(0.5, own.iter().copied());
        println!("{name:<36} {all:>8.2} {middle:>8.2} {low:>8.2} to {high:>6.2}");
        more.push(middle);
    }
    if let [_, layer, select] = more[..] {
        let bare = quantile(0.5, figures[0].iter().copied());
        let share = 100.0 * layer / bare;
        println!("{row}: the layer adds {share:.1} %, {:.2} of what select! adds", layer / select);
    }
}

async fn hello(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new("hello".into()))
}

fn request() -> Request<Full<Bytes>> {
    let request = Request::get("/").header("grpc-timeout", "30S").body(Full::default());
    request.expect("the request is valid")
}

async fn answer<B: http_body::Body<Error: std::fmt::Debug>>(
    response: impl Future<Output = Result<Response<B>, Infallible>>,
) {
    let Ok(response) = response.await;
    black_box(response.into_body().collect().await.expect("the body is whole"));
}

fn time(calls: u32, mut call: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..calls).for_each(|_| call());
    began.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// Returns the figure that this part of the others is below.
fn quantile(part: f64, figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let index = (part * figures.len() as f64) as usize;
    figures.get(index).copied().unwrap_or(f64::NAN)
}
