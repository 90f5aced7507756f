//! `cancelable_reader`.

use std::io::{ErrorKind, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::prelude::*;
use futures::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeekExt, BufReader, Cursor, copy,
};

use super::cancelled_in;
use super::pipe::pipe;
use crate::support::{self, Switch, Wakes, block_on, on_every_executor};

#[test]
fn passes_bytes_on() {
    let _watchdog = support::watchdog();
    let mut bytes = Vec::new();
    let mut reader = Cursor::new(b"hello").cancelable_reader(never());
    assert_eq!(block_on(reader.read_to_end(&mut bytes)).unwrap(), 5);
    assert_eq!(bytes, b"hello");
    assert!(reader.cancelled().is_none());
}

#[test]
fn g19_fired_source_prevents_the_read() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("stop");
    let (pipe, far) = pipe();
    far.send(b"hello");
    let mut reader = pipe.cancelable_reader(&token);
    let error = block_on(reader.read(&mut [0; 8])).unwrap_err();
    assert_eq!(cancelled_in(&error), &Cancelled::new("stop"));
    assert_eq!(far.calls(), 0);
}

#[test]
fn g19_pending_read_is_woken() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (pipe, far) = pipe();
    let mut reader = pipe.cancelable_reader(&token);
    let mut buffer = [0; 8];
    let mut read = reader.read(&mut buffer);
    assert!(wakes.poll(Pin::new(&mut read)).is_pending());
    token.cancel_with("stop");
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(Err(error)) = wakes.poll(Pin::new(&mut read)) else { panic!("it is ready") };
    assert_eq!(error.kind(), ErrorKind::Other);
    assert_eq!(error.to_string(), "cancelled: stop");
    assert_eq!(reader.cancelled(), Some(&Cancelled::new("stop")));
    assert!(!far.state().dropped);
}

#[test]
fn g19_source_wins_a_tie_and_the_bytes_stay() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (pipe, far) = pipe();
    let mut reader = pipe.cancelable_reader(&token);
    let mut buffer = [0; 8];
    assert!(wakes.poll(Pin::new(&mut reader.read(&mut buffer))).is_pending());
    far.send(b"late");
    token.cancel();
    assert!(block_on(reader.read(&mut buffer)).is_err());
    assert_eq!(block_on(reader.into_inner().read(&mut buffer)).unwrap(), 4);
    assert_eq!(&buffer[..4], b"late");
}

#[test]
fn g19_reader_that_never_waits() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut reader = futures::io::repeat(7).cancelable_reader(&token);
    let mut reads = 0;
    let error = loop {
        match block_on(reader.read(&mut [0; 8])) {
            Ok(_) => reads += 1,
            Err(error) => break error,
        }
        if reads == 1000 {
            token.cancel();
        }
    };
    assert_eq!(reads, 1000);
    assert_eq!(error.kind(), ErrorKind::Other);
}

#[test]
fn g19_every_later_call_fails() {
    let _watchdog = support::watchdog();
    let switch = Switch::new();
    let (pipe, far) = pipe();
    let mut reader = pipe.cancelable_reader(switch.source("stop"));
    switch.turn_on();
    far.send(b"hello");
    for _ in 0..3 {
        let error = block_on(reader.read(&mut [0; 8])).unwrap_err();
        assert_eq!(cancelled_in(&error), &Cancelled::new("stop"));
        assert!(block_on(reader.seek(SeekFrom::Start(0))).is_err());
    }
    assert_eq!((switch.polls(), switch.drops(), far.calls()), (1, 1, 0));
}

#[test]
fn g19_kinds_of_errors() {
    let _watchdog = support::watchdog();
    let second = || Reason::timeout(Duration::from_secs(1));
    for (kind, reason) in [
        (ErrorKind::TimedOut, second()),
        (ErrorKind::TimedOut, Reason::parent(second())),
        (ErrorKind::TimedOut, Reason::all([second(), second()])),
        (ErrorKind::Other, Reason::all([second(), Reason::manual("stop")])),
        (ErrorKind::Other, Reason::manual("stop")),
        (ErrorKind::Other, Reason::signal(Signal::Int)),
        (ErrorKind::Other, Reason::Dropped),
        (ErrorKind::Other, Reason::Disconnected),
    ] {
        let source = std::future::ready(reason.clone());
        let mut reader = Cursor::new(b"hello").cancelable_reader(source);
        let error = block_on(reader.read(&mut [0; 8])).unwrap_err();
        assert_eq!((error.kind(), cancelled_in(&error).reason()), (kind, &reason));
    }
}

/// Each of these loops ends with the error. If the error had the kind `Interrupted`, the loops would try again forever.
#[test]
fn loops_end() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel();
    let mut reader = BufReader::new(Cursor::new(b"a\nb\n")).cancelable_reader(&token);
    assert!(block_on(reader.read_exact(&mut [0; 2])).is_err());
    assert!(block_on(reader.read_to_end(&mut Vec::new())).is_err());
    assert!(block_on(reader.read_to_string(&mut String::new())).is_err());
    assert!(block_on(reader.read_line(&mut String::new())).is_err());
    assert!(block_on(copy(&mut reader, &mut futures::io::sink())).is_err());

    struct Blocking<R>(R);
    impl<R: AsyncRead + Unpin> std::io::Read for Blocking<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            block_on(self.0.read(buffer))
        }
    }
    assert!(std::io::copy(&mut Blocking(reader), &mut std::io::sink()).is_err());
}

#[test]
fn read_to_end_keeps_what_came() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (pipe, far) = pipe();
    let mut reader = pipe.cancelable_reader(&token);
    let mut bytes = Vec::new();
    let mut read = Box::pin(reader.read_to_end(&mut bytes));
    far.send(b"hello");
    assert!(wakes.poll(read.as_mut()).is_pending());
    token.cancel();
    assert!(wakes.poll(read.as_mut()).is_ready());
    drop(read);
    assert_eq!(bytes, b"hello");
}

#[test]
fn g19_buffered_bytes_stay() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut reader = BufReader::new(Cursor::new("one\ntwo\nthree")).cancelable_reader(&token);
    let mut line = String::new();
    assert_eq!(block_on(reader.read_line(&mut line)).unwrap(), 4);
    token.cancel();
    assert!(block_on(reader.read_line(&mut line)).is_err());
    let reader = reader.into_inner();
    assert_eq!((line.as_str(), reader.buffer()), ("one\n", &b"two\nthree"[..]));
}

#[test]
fn buffered_outside() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut lines = BufReader::new(Cursor::new("one\ntwo").cancelable_reader(&token)).lines();
    let next = |lines: &mut _| block_on(futures::StreamExt::next(lines)).unwrap();
    assert_eq!(next(&mut lines).unwrap(), "one");
    token.cancel();
    // The buffer is read to its end first.
    assert!(next(&mut lines).is_err());
}

#[test]
fn seeks() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let mut reader = Cursor::new(b"hello").cancelable_reader(&token);
    assert_eq!(block_on(reader.seek(SeekFrom::End(-2))).unwrap(), 3);
    let mut text = String::new();
    block_on(reader.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "lo");

    let (pipe, _far) = pipe();
    let mut pipe = pipe.cancelable_reader(&token);
    let mut seek = pipe.seek(SeekFrom::Start(0));
    assert!(wakes.poll(Pin::new(&mut seek)).is_pending());
    token.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(matches!(wakes.poll(Pin::new(&mut seek)), Poll::Ready(Err(_))));
}

#[test]
fn g19_registers_once() {
    let _watchdog = support::watchdog();
    let (switch, wakes) = (Switch::new(), Wakes::new());
    let (pipe, far) = pipe();
    let mut reader = pipe.cancelable_reader(switch.source("stop"));
    for number in 1..=70 {
        far.send(b"a");
        assert!(wakes.poll(Pin::new(&mut reader.read(&mut [0; 8]))).is_ready());
        let registered = Arc::strong_count(&wakes) - 1;
        assert_eq!(registered, usize::from(number > 64), "read {number}");
    }
    assert!(wakes.poll(Pin::new(&mut reader.read(&mut [0; 8]))).is_pending());
    assert_eq!(Arc::strong_count(&wakes), 3, "the pipe and the source");
    drop(reader);
    drop((switch, far));
    assert_eq!(Arc::strong_count(&wakes), 1);
}

#[test]
fn g19_moves_to_another_task() {
    let _watchdog = support::watchdog();
    let (token, first, second) = (CancellationToken::new(), Wakes::new(), Wakes::new());
    let mut reader = pipe().0.cancelable_reader(&token);
    assert!(first.poll(Pin::new(&mut reader.read(&mut [0; 8]))).is_pending());
    assert!(second.poll(Pin::new(&mut reader.read(&mut [0; 8]))).is_pending());
    token.cancel();
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn dropped_reader_is_not_registered() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let mut reader = pipe().0.cancelable_reader(&token);
    assert!(wakes.poll(Pin::new(&mut reader.read(&mut [0; 8]))).is_pending());
    drop(reader.into_inner());
    token.cancel();
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (0, 1));
}

struct Panics;

impl AsyncRead for Panics {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        panic!("the reader")
    }
}

#[test]
fn panic_of_the_reader_propagates() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut reader = Panics.cancelable_reader(&token);
    let read = catch_unwind(AssertUnwindSafe(|| block_on(reader.read(&mut [0; 8]))));
    assert_eq!(read.unwrap_err().downcast_ref(), Some(&"the reader"));
    token.cancel();
    assert!(block_on(reader.read(&mut [0; 8])).is_err());
}

#[test]
fn panic_of_the_source_propagates() {
    let _watchdog = support::watchdog();
    let (pipe, far) = pipe();
    let mut reader = pipe.cancelable_reader(Box::pin(async { panic!("the source") }));
    let read = catch_unwind(AssertUnwindSafe(|| block_on(reader.read(&mut [0; 8]))));
    assert_eq!(read.unwrap_err().downcast_ref(), Some(&"the source"));
    far.send(b"safe");
    let mut buffer = [0; 8];
    assert_eq!(block_on(reader.into_inner().read(&mut buffer)).unwrap(), 4);
}

/// The limit of a reader in the source of an operation is not the deadline of that operation.
#[cfg(feature = "time")]
#[test]
fn no_deadline_of_an_operation_around_it() {
    let _watchdog = support::watchdog();
    let minute = Duration::from_secs(60);
    let source = async move {
        let mut reader = pipe().0.cancelable_reader(timeout(minute)).idle_timeout(minute);
        let _ = reader.read(&mut [0; 8]).await;
        Reason::Disconnected
    };
    let mut work = std::pin::pin!(std::future::pending::<()>().cancelable(source).named("work"));
    let operation = work.operation();
    assert!(support::poll_once(work.as_mut()).is_pending());
    assert_eq!(operation.deadline(), None);
}

#[test]
fn debug_names_the_parts() {
    let token = CancellationToken::new();
    let mut reader = Cursor::new(b"hello").cancelable_reader(&token);
    let text = format!("{reader:?}");
    assert!(text.contains("Cursor") && text.contains("cancelled: None"), "{text}");
    token.cancel();
    block_on(reader.read(&mut [0; 8])).unwrap_err();
    assert!(format!("{reader:?}").contains("Manual"));
}

on_every_executor! {
    async fn cancelled_from_another_thread() {
        let token = CancellationToken::new();
        let mut reader = pipe().0.cancelable_reader(&token);
        let cancels = token.clone();
        let thread = std::thread::spawn(move || cancels.cancel_with("stop"));
        let error = reader.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(cancelled_in(&error), &Cancelled::new("stop"));
        thread.join().unwrap();
    }
}
