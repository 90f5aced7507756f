//! The server starts, crashes, starts again on its port, and ends with the process that holds it.

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use private_postgres::Server;

const CHILD: &str = "PRIVATE_POSTGRES_CHILD";

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn restarts_on_its_port() {
    let mut server = Server::start().expect("a server");
    let port = server.port();
    server.crash().expect("a crash");
    assert!(!answers(port));
    server.restart().expect("a restart");
    assert!(answers(port) && server.port() == port);
    let data = server.data();
    drop(server);
    assert!(!answers(port) && !data.exists());
}

#[test]
fn ends_with_a_killed_process() {
    if std::env::var_os(CHILD).is_some() {
        let server = Server::start().expect("a server");
        println!("port {} {}", server.port(), server.data().display());
        loop {
            std::thread::park();
        }
    }
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args(["--exact", "ends_with_a_killed_process", "--nocapture"])
        .env(CHILD, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let line =
        lines.map_while(Result::ok).find_map(|line| Some(line.rsplit_once("port ")?.1.to_owned()));
    let line = line.expect("the port and the directory");
    let (port, directory) = line.split_once(' ').expect("two words");
    let (port, directory) = (port.parse().expect("a port"), Path::new(directory));
    assert!(answers(port));
    child.kill().expect("a kill");
    child.wait().expect("an end");
    let gone = || !answers(port) && !directory.exists();
    assert!((0..1000).any(|_| gone() || {
        sleep(Duration::from_millis(10));
        false
    }));
}
