//! `cancelable_sink`.

use std::error::Error;
use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;
use futures::channel::mpsc::{self, Receiver, Sender};
use futures::{Sink, SinkExt, StreamExt};

use crate::support::{self, Wakes, block_on};

type Failure = Box<dyn Error + Send + Sync>;

fn channel(room: usize) -> (impl Sink<u32, Error = Failure> + Unpin, Receiver<u32>) {
    let (sender, receiver): (Sender<u32>, _) = mpsc::channel(room);
    (sender.sink_map_err(Failure::from), receiver)
}

#[test]
fn passes_items_on() {
    let _watchdog = support::watchdog();
    let (sender, receiver) = channel(8);
    let mut sender = sender.cancelable_sink(never());
    block_on(async {
        sender.send(1).await.unwrap();
        sender.send(2).await.unwrap();
        sender.close().await.unwrap();
        assert_eq!(receiver.collect::<Vec<_>>().await, [1, 2]);
    });
}

#[test]
fn g19_pending_send_is_woken() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (sender, mut receiver) = channel(0);
    let mut sender = sender.cancelable_sink(&token);
    block_on(sender.feed(1)).unwrap();
    {
        let mut send = pin!(sender.feed(2));
        assert!(wakes.poll(send.as_mut()).is_pending());
        token.cancel_with("stop");
        assert_eq!(wakes.count(), 1);
        let Poll::Ready(Err(error)) = wakes.poll(send) else { panic!("it is ready") };
        assert_eq!(error.downcast_ref(), Some(&Cancelled::new("stop")));
    }
    assert!(block_on(sender.send(3)).is_err());
    assert!(block_on(sender.close()).is_err());
    assert_eq!(block_on(receiver.next()), Some(1), "the accepted item is not lost");
    block_on(sender.into_inner().feed(4)).unwrap();
    assert_eq!(block_on(receiver.next()), Some(4));
}

#[test]
fn g19_item_for_which_there_is_room_is_accepted() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (sender, mut receiver) = channel(1);
    let mut sender = pin!(sender.cancelable_sink(&token));
    let ready = std::future::poll_fn(|cx| sender.as_mut().poll_ready(cx));
    block_on(ready).unwrap();
    token.cancel();
    sender.as_mut().start_send(1).unwrap();
    assert!(block_on(sender.flush()).is_err());
    assert!(sender.as_mut().start_send(2).is_err(), "now the sink knows");
    assert_eq!(block_on(receiver.next()), Some(1));
}

#[test]
fn error_of_the_sink() {
    let _watchdog = support::watchdog();
    let (sender, receiver) = channel(1);
    drop(receiver);
    let error = block_on(sender.cancelable_sink(never()).send(1)).unwrap_err();
    assert!(error.is::<mpsc::SendError>());
}

#[test]
fn stream_passes_through() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel();
    let (mut to, from) = mpsc::channel(8);
    to.try_send(7).unwrap();
    // The receiver is a stream but not a sink. As a stream, the wrapper passes its items on.
    let mut both = cancelable::io::CancelableSink::new(from, &token);
    assert_eq!(block_on(both.next()), Some(7));
}
