//! Counts the lines that clients send over TCP. A client that sends nothing for too long is disconnected, and a shutdown
//! disconnects the others. The server says goodbye to each client that it disconnects.
//!
//! Prints:
//!
//! ```text
//! quick client: 2 lines, then the end
//! silent client: 1 line, then timed out after 50ms
//! it was told: bye, timed out after 50ms
//! patient client: 1 line, then cancelled: shutting down
//! it was told: bye, cancelled: shutting down
//! ```

use std::io;
use std::time::Duration;

use cancelable::prelude::*;
use smol::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt;

/// Serves one client: counts its lines, and says goodbye if the reader is cancelled.
async fn serve(stream: TcpStream, idle: Duration, stop: &CancellationToken) -> io::Result<String> {
    let reader = stream.clone().cancelable_reader(stop).idle_timeout(idle);
    let mut lines = BufReader::new(reader).lines();
    let mut count = 0;
    let end = loop {
        match lines.next().await {
            Some(Ok(line)) => {
                count += 1;
                if line == "stop the server" {
                    stop.cancel_with("shutting down");
                }
            }
            Some(Err(error)) => break error.to_string(),
            None => break "the end".to_owned(),
        }
    };
    // Only the reader is cancelled. The stream can still be written to.
    let mut stream = stream;
    if end != "the end" {
        stream.write_all(format!("bye, {end}").as_bytes()).await?;
    }
    let lines = if count == 1 { "line" } else { "lines" };
    Ok(format!("{count} {lines}, then {end}"))
}

fn main() -> io::Result<()> {
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let stop = CancellationToken::new();
        let (short, long) = (Duration::from_millis(50), Duration::from_secs(60));
        for (name, says, idle) in [
            ("quick", "hello\nbye\n", long),
            ("silent", "hello\n", short),
            ("patient", "stop the server\n", long),
        ] {
            let mut client = TcpStream::connect(listener.local_addr()?).await?;
            let (server, _) = listener.accept().await?;
            client.write_all(says.as_bytes()).await?;
            if name == "quick" {
                client.shutdown(std::net::Shutdown::Write)?;
            }
            println!("{name} client: {}", serve(server, idle, &stop).await?);
            let mut told = String::new();
            client.read_to_string(&mut told).await?;
            if !told.is_empty() {
                println!("it was told: {told}");
            }
        }
        Ok(())
    })
}
