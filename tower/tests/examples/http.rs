//! As much HTTP as these tests need: one request for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use private_harness::PROGRAM_LIMIT;
use serde_json::Value;

/// Sends a request. The caller reads the answer.
pub(crate) fn send(address: &str, method: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PROGRAM_LIMIT)).unwrap();
    let length = if method == "POST" { "content-length: 0\r\n" } else { "" };
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{length}\r\n")
        .unwrap();
    stream
}

/// Returns the status code and the body of an answer that is not a stream.
pub(crate) fn answer(stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    BufReader::new(stream).read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("no answer");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub(crate) fn ask(address: &str, method: &str, path: &str) -> (u16, Value) {
    let (code, body) = answer(send(address, method, path));
    (code, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// A stream of server-sent events.
pub(crate) struct Messages(BufReader<TcpStream>);

impl Messages {
    pub(crate) fn of(address: &str) -> Self {
        let mut lines = BufReader::new(send(address, "GET", "/events"));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let head = head.to_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        Messages(lines)
    }

    /// Returns the name and the data of the next event, or `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        let mut line = String::new();
        loop {
            line.clear();
            // Skips the lines of the chunked transfer coding in between.
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.trim_end().to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                // The data of the event `cancelled` is a text.
                let data = data.trim_end();
                let data = serde_json::from_str(data).unwrap_or_else(|_| data.into());
                return Some((name, data));
            }
        }
    }

    /// Returns the next event of this operation and this kind.
    pub(crate) fn change(&mut self, id: u64, kind: &str) -> Value {
        loop {
            let (name, data) = self.next().expect("no such change");
            let about = [&data["id"], &data["snapshot"]["id"], &data["record"]["snapshot"]["id"]];
            if name == "change" && data["event"] == kind && about.contains(&&Value::from(id)) {
                return data;
            }
        }
    }
}
