//! Both directions of a connection.

use std::pin::{Pin, pin};
use std::task::Poll;

use cancelable::prelude::*;
use futures::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::pipe::pipe;
use crate::support::{self, Wakes, block_on};

#[test]
fn g19_other_direction_passes_through() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel();
    let (reads, far) = pipe();
    far.state().room = 8;
    let mut reads = reads.cancelable_reader(&token);
    assert!(block_on(reads.read(&mut [0; 8])).is_err());
    block_on(reads.write_all(b"hello")).unwrap();
    assert_eq!(far.state().outgoing, b"hello");

    let (writes, far) = pipe();
    far.send(b"hello");
    let mut writes = BufReader::new(writes).cancelable_writer(&token);
    assert!(block_on(writes.write(b"hello")).is_err());
    assert_eq!(block_on(writes.fill_buf()).unwrap(), b"hello");
    writes.consume_unpin(5);
    far.send(b"again");
    let mut buffer = [0; 5];
    block_on(writes.read_exact(&mut buffer)).unwrap();
    assert_eq!(&buffer, b"again");
}

/// Two tasks, with a waker each, poll the two halves.
#[test]
fn g19_two_tasks_are_both_woken() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (reading, writing) = (Wakes::new(), Wakes::new());
    let connection = pipe().0.cancelable_reader(&token).cancelable_writer(&token);
    let (mut reader, mut writer) = connection.split();
    let mut buffer = [0; 8];
    let mut read = pin!(reader.read(&mut buffer));
    let mut write = pin!(writer.write(b"hello"));
    for _ in 0..3 {
        assert!(reading.poll(read.as_mut()).is_pending());
        assert!(writing.poll(write.as_mut()).is_pending());
    }
    token.cancel();
    assert_eq!((reading.count(), writing.count()), (1, 1));
    assert!(matches!(reading.poll(read), Poll::Ready(Err(_))));
    assert!(matches!(writing.poll(write), Poll::Ready(Err(_))));
}

#[test]
fn each_direction_has_its_source() {
    let _watchdog = support::watchdog();
    let (read_token, write_token) = (CancellationToken::new(), CancellationToken::new());
    let (pipe, far) = pipe();
    let mut both = pipe.cancelable_reader(&read_token).cancelable_writer(&write_token);
    write_token.cancel_with("no more writes");
    far.send(b"hello");
    assert_eq!(block_on(both.read(&mut [0; 8])).unwrap(), 5);
    assert!(block_on(both.write(b"hello")).is_err());
    read_token.cancel_with("no more reads");
    let error = block_on(both.read(&mut [0; 8])).unwrap_err();
    assert_eq!(error.to_string(), "cancelled: no more reads");
    assert!(support::poll_once(Pin::new(&mut both.write(b"hello"))).is_ready());
}
