//! A small server for the pages that the crawler reads: files of one directory, over HTTP/1.1.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cancelable::group::GroupHandle;
use smol::Timer;
use smol::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use smol::net::{TcpListener, TcpStream};

/// Serves files until it is dropped. Each connection is a member of `group`.
pub(crate) async fn serve(
    listener: TcpListener,
    dir: Arc<Path>,
    delay: Duration,
    group: GroupHandle<'static, (), std::convert::Infallible>,
) {
    while let Ok((connection, _)) = listener.accept().await {
        let dir = dir.clone();
        group.spawn(async move {
            if let Err(error) = answer(connection, &dir, delay).await {
                eprintln!("server: {error}");
            }
        });
    }
}

async fn answer(connection: TcpStream, dir: &Path, delay: Duration) -> io::Result<()> {
    let mut lines = BufReader::new(connection.clone());
    let mut request = String::new();
    lines.read_line(&mut request).await?;
    Timer::after(delay).await;
    let name = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
    // Only plain names, so that a request cannot leave the directory.
    let is_plain = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    let page = if is_plain { smol::fs::read(dir.join(name)).await.ok() } else { None };
    let (status, body) = match page {
        Some(page) => ("200 OK", page),
        None => ("404 Not Found", Vec::new()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut connection = connection;
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(&body).await?;
    connection.close().await
}
