//! What the layer costs: requests per second over loopback with and without it, and nanoseconds for a call
//! without sockets.
//!
//! `cargo bench -p cancelable-tower`. With `-- --quick` it runs for a moment only, and with `-- --in-process` without
//! sockets. To count instructions with valgrind's callgrind, run it with `-- --calls NUMBER` and two numbers: it makes that
//! many calls with the layer, or without it if `--bare` is given.

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
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceBuilder, service_fn};

const CONNECTIONS: usize = 8;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\ngrpc-timeout: 30S\r\n\r\n";

fn layer() -> OperationLayer {
    OperationLayer::new()
        .registered_in(&Registry::with_history_limit(0))
        .limit(Duration::from_secs(60))
        .inbound(Inbound::grpc())
        .outermost()
}

fn main() {
    if let Some(calls) = env::args().skip_while(|argument| argument != "--calls").nth(1) {
        let calls = calls.parse().expect("the number of calls is a number");
        if env::args().any(|argument| argument == "--bare") {
            time(calls, || smol::block_on(answer(service_fn(hello).call(request()))));
        } else {
            let mut layered = ServiceBuilder::new().layer(layer()).service(service_fn(hello));
            time(calls, || smol::block_on(answer(layered.call(request()))));
        }
        return;
    }
    let quick = env::args().any(|argument| argument == "--quick");
    let (rounds, length, calls) = if quick {
        (1, Duration::from_millis(50), 1_000)
    } else {
        (5, Duration::from_secs(1), 500_000)
    };
    if !env::args().any(|argument| argument == "--in-process") {
        sockets(rounds, length);
    }
    in_process(rounds, calls);
}

/// Prints requests per second, the median of the rounds.
fn sockets(rounds: usize, length: Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the runtime starts");
    let app = Router::new().route("/", get(async || "hello"));
    let [bare, layered] = [app.clone(), app.layer(layer())].map(|app| runtime.block_on(serve(app)));
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (figures, address) in figures.iter_mut().zip([bare, layered]) {
            figures.push(runtime.block_on(drive(address, length)));
        }
    }
    let [bare, layered] = figures.map(median);
    println!(
        "requests per second over loopback: {bare:.0} without the layer, {layered:.0} with it"
    );
    println!(
        "  {:.2} of them, {:.2} us more a request on each of two threads",
        layered / bare,
        2e6 / layered - 2e6 / bare
    );
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

/// Prints nanoseconds for a call of a service that answers at once, the median of the rounds.
fn in_process(rounds: usize, calls: u32) {
    let mut layered = ServiceBuilder::new().layer(layer()).service(service_fn(hello));
    let mut bare = service_fn(hello);
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        figures[0].push(time(calls, || smol::block_on(answer(bare.call(request())))));
        figures[1].push(time(calls, || smol::block_on(answer(layered.call(request())))));
    }
    let [bare, layered] = figures.map(median);
    println!(
        "nanoseconds for a call without sockets: {bare:.0} without the layer, {layered:.0} with it"
    );
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

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
