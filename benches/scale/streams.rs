//! Streams: what it costs each item that the stream can be cancelled.

use std::time::Duration;

use cancelable::prelude::*;
use futures::executor::block_on;
use futures::stream::{Stream, StreamExt, iter};
use stop_token::StopSource;
use stop_token::stream::StreamExt as _;
use tokio_util::sync::CancellationToken as TokioToken;

use crate::measure::{Contestant, Table, timed};

/// Counts items, and how long that takes.
fn count(size: usize, stream: impl Stream<Item = usize>) -> Duration {
    let (taken, counted) = timed(|| block_on(stream.count()));
    assert_eq!(counted, size);
    taken
}

pub(crate) fn rows(table: &mut Table) {
    let (ours, theirs, stop) = (CancellationToken::new(), TokioToken::new(), StopSource::new());
    let items = |size: usize| iter(0..size);
    table.row(
        "a stream of so many items under a token, each item",
        &[1_000, 100_000, 1_000_000],
        vec![
            Contestant::new("cancelable", |size| {
                let stream = CancelableStreamExt::cancelable(items(size), &ours);
                count(size, stream.filter_map(|item| std::future::ready(item.ok())))
            }),
            Contestant::new("futures take_until, tokio-util", |size| {
                count(size, items(size).take_until(Box::pin(theirs.cancelled())))
            }),
            Contestant::new("stop-token timeout_at", |size| {
                let stream = items(size).timeout_at(stop.token());
                count(size, stream.filter_map(|item| std::future::ready(item.ok())))
            }),
        ],
    );
}
