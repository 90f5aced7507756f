//! Real sockets: those of smol, and those of tokio through `compat()`.

use std::time::Duration;

use cancelable::prelude::*;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};

use super::cancelled_in;
use crate::support;

#[test]
fn smol_tcp() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = smol::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();

        let token = CancellationToken::new();
        let mut client = client.cancelable_reader(&token).cancelable_writer(&token);
        AsyncWriteExt::write_all(&mut client, b"ping").await.unwrap();
        let mut buffer = [0; 4];
        AsyncReadExt::read_exact(&mut server, &mut buffer).await.unwrap();
        AsyncWriteExt::write_all(&mut server, &buffer).await.unwrap();
        AsyncReadExt::read_exact(&mut client, &mut buffer).await.unwrap();
        assert_eq!(&buffer, b"ping");

        let cancels = async {
            smol::Timer::after(Duration::from_millis(5)).await;
            token.cancel_with("closing");
        };
        let (read, ()) = futures::join!(AsyncReadExt::read(&mut client, &mut buffer), cancels);
        assert_eq!(cancelled_in(&read.unwrap_err()), &Cancelled::new("closing"));
    });
}

#[test]
fn tokio_through_compat() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let token = CancellationToken::new();
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = near.compat().cancelable_reader(&token).cancelable_writer(&token).compat();
        tokio::io::AsyncWriteExt::write_all(&mut near, b"ping").await.unwrap();
        let mut buffer = [0; 4];
        far.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"ping");
        far.write_all(b"pong").await.unwrap();
        tokio::io::AsyncReadExt::read_exact(&mut near, &mut buffer).await.unwrap();
        assert_eq!(&buffer, b"pong");

        let cancels = async { token.cancel_with("closing") };
        let read = tokio::io::AsyncReadExt::read(&mut near, &mut buffer);
        let (read, _) = futures::join!(read, cancels);
        assert_eq!(cancelled_in(&read.unwrap_err()), &Cancelled::new("closing"));
    });
}
