//! Time limits in headers, as odd as they come, over HTTP/1.1, HTTP/2 and gRPC.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::any;
use cancelable::prelude::*;
use cancelable_tower::{Inbound, OperationLayer};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{run, serve};

const MILLIS: &str = "x-request-timeout-ms";

const HOUR: Duration = Duration::from_secs(3_600);

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It is answered as timed out, and the handler is not called.
    Refused,
    /// It is answered as timed out.
    TimedOut,
    /// The handler answers, and has time left from the first to the second of these.
    Within(Duration, Duration),
    /// The handler answers, and has no limit.
    Unlimited,
}

/// A header, the values of it in one request, how the request ends, and how many of the values are malformed.
struct Case(&'static str, &'static [&'static [u8]], End, u64);

const CASES: &[Case] = &[
    Case("grpc-timeout", &[b"0n"], End::Refused, 0),
    Case("grpc-timeout", &[b"00000000H"], End::Refused, 0),
    Case("connect-timeout-ms", &[b"0"], End::Refused, 0),
    Case(MILLIS, &[b"0"], End::Refused, 0),
    Case("grpc-timeout", &[b"1n"], End::TimedOut, 0),
    Case("connect-timeout-ms", &[b"1"], End::TimedOut, 0),
    Case("grpc-timeout", &[b"99999999H"], within(99_999_998, 99_999_999), 0),
    Case("connect-timeout-ms", &[b"9999999999"], within(2_776, 2_778), 0),
    Case(MILLIS, &[b"9999999999999999999"], within(2_777_777_777_776, 2_777_777_777_778), 0),
    Case("grpc-timeout", &[b"soon"], End::Unlimited, 1),
    Case("grpc-timeout", &[b""], End::Unlimited, 1),
    Case("grpc-timeout", &[b"-1S"], End::Unlimited, 1),
    Case("grpc-timeout", &[b"1.5S"], End::Unlimited, 1),
    Case("grpc-timeout", &[b"100000000n"], End::Unlimited, 1),
    Case("grpc-timeout", &[b"\xff\xfem"], End::Unlimited, 1),
    Case("connect-timeout-ms", &[b"10000000000"], End::Unlimited, 1),
    Case(MILLIS, &[b"0x10"], End::Unlimited, 1),
    Case(MILLIS, &[b"99999999999999999999"], End::Unlimited, 1),
    // The shortest counts.
    Case("grpc-timeout", &[b"3H", b"2H", b"4H"], within(1, 2), 0),
    Case("grpc-timeout", &[b"soon", b"2H", b"later"], within(1, 2), 2),
    Case("grpc-timeout", &[b"2H", b"0m"], End::Refused, 0),
    Case("connect-timeout-ms", &[b"7200000", b"10800000"], within(1, 2), 0),
    // Two values in one header are none.
    Case("grpc-timeout", &[b"2H, 3H"], End::Unlimited, 1),
];

const fn within(least: u64, most: u64) -> End {
    End::Within(Duration::from_secs(least * 3_600), Duration::from_secs(most * 3_600))
}

struct Server {
    address: SocketAddr,
    inbound: [Inbound; 3],
    /// How much time each call of the handler had left.
    left: Arc<Mutex<Vec<Option<Duration>>>>,
}

impl Server {
    async fn start() -> Self {
        let millis = HeaderName::from_static(MILLIS);
        let inbound = [Inbound::grpc(), Inbound::connect(), Inbound::millis(millis)];
        let layer = inbound
            .iter()
            .fold(OperationLayer::new(), |layer, inbound| layer.inbound(inbound.clone()));
        let left = Arc::new(Mutex::new(Vec::new()));
        let noted = left.clone();
        let app = Router::new().route(
            "/{*rest}",
            any(async move || {
                let left = Operation::current().unwrap().remaining();
                noted.lock().unwrap().push(left);
                // Whatever has less time is to be answered as timed out.
                if left.is_some_and(|left| left < HOUR) {
                    std::future::pending::<()>().await;
                }
            }),
        );
        Server { address: serve(app.layer(layer)).await, inbound, left }
    }

    /// Returns how a request has ended, given whether it was answered as timed out.
    fn end(&self, timed_out: bool) -> End {
        match (timed_out, &std::mem::take(&mut *self.left.lock().unwrap())[..]) {
            (true, []) => End::Refused,
            (true, [Some(_)]) => End::TimedOut,
            (false, [Some(left)]) => End::Within(*left, *left),
            (false, [None]) => End::Unlimited,
            other => panic!("{other:?}"),
        }
    }

    fn malformed(&self) -> u64 {
        self.inbound.iter().map(Inbound::malformed).sum()
    }
}

/// Checks all cases. `ask` sends a request with such headers, and returns whether it was answered as timed out.
async fn check(ask: impl AsyncFn(SocketAddr, HeaderName, &[&[u8]]) -> bool) {
    let server = Server::start().await;
    for Case(name, values, expected, malformed) in CASES {
        let before = server.malformed();
        let name = HeaderName::from_static(name);
        let end = server.end(ask(server.address, name.clone(), values).await);
        match (expected, end) {
            (End::Within(least, most), End::Within(left, _)) => {
                assert!(*least < left && left <= *most, "{name}: {values:?}: {left:?}");
            }
            // A limit that passes before the first poll refuses the request.
            (End::TimedOut, End::Refused) => {}
            (expected, end) => assert_eq!(end, *expected, "{name}: {values:?}"),
        }
        assert_eq!(server.malformed() - before, *malformed, "{name}: {values:?}");
    }
}

#[test]
fn http1() {
    run(check(async |address, name, values: &[&[u8]]| {
        let mut request = b"GET /work HTTP/1.1\r\nhost: a\r\nconnection: close\r\n".to_vec();
        for value in values {
            request.extend([name.as_str().as_bytes(), b": ", value, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&request).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 504"));
        answer.starts_with("HTTP/1.1 504")
    }));
}

/// Sends a request over HTTP/2.
async fn post(
    address: SocketAddr,
    content: &'static str,
    (name, values): (HeaderName, &[&[u8]]),
) -> http::Response<Bytes> {
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, driver) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::spawn(driver);
    let request = Request::post(format!("http://{address}/work")).header("content-type", content);
    let mut request = request.body(Empty::<Bytes>::new()).unwrap();
    for value in values {
        request.headers_mut().append(&name, HeaderValue::from_bytes(value).unwrap());
    }
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    http::Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[test]
fn http2() {
    run(check(async |address, name, values: &[&[u8]]| {
        let answer = post(address, "text/plain", (name, values)).await;
        assert!(matches!(answer.status().as_u16(), 200 | 504));
        answer.status() == 504
    }));
}

#[test]
fn grpc() {
    run(check(async |address, name, values: &[&[u8]]| {
        let answer = post(address, "application/grpc", (name, values)).await;
        assert_eq!(answer.status(), 200);
        let status = answer.headers().get("grpc-status");
        assert!(status.is_none_or(|status| status == "4"), "{status:?}");
        status.is_some()
    }));
}
