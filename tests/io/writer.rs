//! `cancelable_writer`.

use std::io::{ErrorKind, SeekFrom};
use std::pin::Pin;
use std::task::Poll;

use cancelable::prelude::*;
use futures::io::{AsyncSeekExt, AsyncWriteExt, Cursor};

use super::cancelled_in;
use super::pipe::pipe;
use crate::support::{self, Wakes, block_on};

#[test]
fn passes_bytes_on() {
    let _watchdog = support::watchdog();
    let mut writer = Cursor::new(Vec::new()).cancelable_writer(never());
    block_on(async {
        writer.write_all(b"hello").await.unwrap();
        writer.seek(SeekFrom::Start(1)).await.unwrap();
        writer.write_all(b"a").await.unwrap();
        writer.flush().await.unwrap();
        writer.close().await.unwrap();
    });
    assert_eq!(writer.into_inner().into_inner(), b"hallo");
}

#[test]
fn g19_fired_source_prevents_the_write() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("stop");
    let (pipe, far) = pipe();
    far.state().room = 8;
    let mut writer = pipe.cancelable_writer(&token);
    let error = block_on(writer.write(b"hello")).unwrap_err();
    assert_eq!((cancelled_in(&error), error.kind()), (&Cancelled::new("stop"), ErrorKind::Other));
    assert!(block_on(writer.flush()).is_err());
    assert!(block_on(writer.close()).is_err());
    assert_eq!(far.calls(), 0);
}

#[test]
fn g19_pending_write_is_woken() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (pipe, far) = pipe();
    far.state().room = 3;
    let mut writer = pipe.cancelable_writer(&token);
    let mut write = writer.write_all(b"hello");
    assert!(wakes.poll(Pin::new(&mut write)).is_pending());
    token.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(matches!(wakes.poll(Pin::new(&mut write)), Poll::Ready(Err(_))));
    assert_eq!(far.state().outgoing, b"hel");
}

#[test]
fn g19_pending_flush_and_close_are_woken() {
    let _watchdog = support::watchdog();
    for close in [false, true] {
        let (token, wakes) = (CancellationToken::new(), Wakes::new());
        let mut writer = pipe().0.cancelable_writer(&token);
        let mut call =
            Box::pin(async { if close { writer.close().await } else { writer.flush().await } });
        assert!(wakes.poll(call.as_mut()).is_pending());
        token.cancel();
        assert_eq!(wakes.count(), 1);
        assert!(matches!(wakes.poll(call.as_mut()), Poll::Ready(Err(_))));
    }
}

#[test]
fn goodbye_through_the_inner_writer() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel();
    let (pipe, far) = pipe();
    far.state().room = 8;
    let mut writer = pipe.cancelable_writer(&token);
    assert!(block_on(writer.write(b"hello")).is_err());
    block_on(writer.get_mut().write_all(b"bye")).unwrap();
    assert_eq!(far.state().outgoing, b"bye");
    assert!(block_on(writer.write(b"hello")).is_err(), "it stays cancelled");
}
