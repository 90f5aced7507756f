//! Measures the cost per item of a cancelable stream, and the cost per read of a cancelable reader.

use std::hint::black_box;
use std::pin::pin;
use std::time::Duration;

use cancelable::prelude::*;
use futures::executor::block_on;
#[cfg(feature = "io")]
use futures::io::{AsyncRead, AsyncReadExt};
use futures::stream::{Stream, StreamExt, iter};
use stop_token::StopSource;
use stop_token::stream::StreamExt as _;
use tokio_util::sync::CancellationToken as TokioToken;

use crate::measure::{Contestant, timed};
use crate::table::Table;

/// Consumes the items, and returns the elapsed time.
fn look(size: usize, stream: impl Stream) -> Duration {
    let mut stream = pin!(stream);
    let mut seen = 0;
    let all = async {
        while let Some(item) = stream.next().await {
            black_box(&item);
            seen += 1;
        }
    };
    let (taken, ()) = timed(|| block_on(all));
    assert_eq!(seen, size);
    taken
}

pub(crate) fn rows(table: &mut Table) {
    let (ours, theirs, stop) = (CancellationToken::new(), TokioToken::new(), StopSource::new());
    let items = |size: usize| iter(0..size);
    table.row(
        ("a stream under a token, each item", Some(0.6)),
        &[1_000, 100_000, 1_000_000],
        vec![
            Contestant::new("cancelable", |size| {
                look(size, CancelableStreamExt::cancelable_stream(items(size), &ours))
            }),
            Contestant::new("futures take_until, tokio-util", |size| {
                look(size, items(size).take_until(theirs.cancelled()))
            }),
            Contestant::new("stop-token timeout_at", |size| {
                look(size, items(size).timeout_at(stop.token()))
            }),
            Contestant::new("floor: the stream alone", |size| look(size, items(size))),
        ],
    );
    #[cfg(feature = "io")]
    table.row(
        ("a reader under a token, each read", None),
        &[1_000, 100_000, 1_000_000],
        vec![
            Contestant::new("cancelable", |size| {
                read(size, futures::io::repeat(7).cancelable_reader(&ours))
            }),
            Contestant::new("floor: the reader alone", |size| read(size, futures::io::repeat(7))),
        ],
    );
}

/// Reads eight bytes at a time, and returns the elapsed time.
#[cfg(feature = "io")]
fn read(size: usize, mut reader: impl AsyncRead + Unpin) -> Duration {
    let all = async {
        for _ in 0..size {
            let mut buffer = [0; 8];
            assert_eq!(reader.read(&mut buffer).await.ok(), Some(8));
            black_box(&buffer);
        }
    };
    timed(|| block_on(all)).0
}
