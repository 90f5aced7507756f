//! `idle_timeout`, on the virtual clock.

use std::io::ErrorKind;
use std::pin::Pin;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::{self, Network};
use futures::channel::mpsc;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::{SinkExt, StreamExt, TryStreamExt};

use super::cancelled_in;
use super::pipe::pipe;
use crate::support::{self, Wakes};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn g19_limits_each_read() {
    let _watchdog = support::watchdog();
    let network = Network::seeded(1).delay(ms(10)).jitter(0.0, ms(0)).bursts(0.0, 1);
    let calm = network.clone().stalls(0.0, ms(0)).stream(vec![1; 50]).unwrap();
    let mut calm = calm.map(Ok).into_async_read().cancelable_reader(never()).idle_timeout(ms(11));
    assert_eq!(testing::run(calm.read_to_end(&mut Vec::new())).unwrap(), 50);

    let time = testing::pause();
    let stalls = network.stalls(1.0, ms(10)).stream(vec![1; 50]).unwrap();
    let mut stalls =
        stalls.map(Ok).into_async_read().cancelable_reader(never()).idle_timeout(ms(15));
    let error = time.block_on(stalls.read_to_end(&mut Vec::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(cancelled_in(&error).reason(), &Reason::timeout(ms(15)));
    assert_eq!(time.elapsed(), ms(15));
}

#[test]
fn time_between_calls_does_not_count() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (pipe, far) = pipe();
    let wakes = Wakes::new();
    let mut reader = pipe.cancelable_reader(never()).idle_timeout(ms(10));
    for _ in 0..3 {
        assert!(wakes.poll(Pin::new(&mut reader.read(&mut [0; 8]))).is_pending());
        time.advance(ms(6));
        far.send(b"a");
        assert_eq!(time.block_on(reader.read(&mut [0; 8])).unwrap(), 1);
        time.advance(ms(1000));
    }
    assert!(time.block_on(reader.read(&mut [0])).is_err());
}

/// Dropping a read does not end the wait to which the limit applies: the next read continues the wait.
#[test]
fn wait_goes_on_after_a_dropped_read() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut reader = pipe().0.cancelable_reader(never()).idle_timeout(ms(10));
    assert!(time.block_on(reader.read(&mut [0]).cancelable(timeout(ms(6)))).is_err());
    assert!(time.block_on(reader.read(&mut [0])).is_err());
    assert_eq!(time.elapsed(), ms(10));
}

#[test]
fn g19_limits_each_write() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (pipe, far) = pipe();
    far.state().room = 3;
    let mut writer = pipe.cancelable_writer(never()).idle_timeout(ms(10));
    let error = time.block_on(writer.write_all(b"hello")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!((time.elapsed(), &*far.state().outgoing), (ms(10), &b"hel"[..]));
    far.state().room = 3;
    assert!(time.block_on(writer.write(b"lo")).is_err(), "cancelled for good");
}

#[test]
fn g19_limits_each_send() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (sender, _receiver) = mpsc::channel::<u32>(0);
    let sender = sender.sink_map_err(|_| Cancelled::new("hung up"));
    let mut sender = sender.cancelable_sink(never()).idle_timeout(ms(10));
    time.block_on(sender.feed(1)).unwrap();
    time.advance(ms(100));
    assert_eq!(time.block_on(sender.feed(2)), Err(Cancelled::new(Reason::timeout(ms(10)))));
    assert_eq!(time.elapsed(), ms(110));
}

#[test]
fn source_beside_the_limit() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut reader = pipe().0.cancelable_reader(timeout(ms(5))).idle_timeout(ms(10));
    let error = time.block_on(reader.read(&mut [0])).unwrap_err();
    assert_eq!(cancelled_in(&error).reason(), &Reason::timeout(ms(5)));
}

#[test]
fn one_wake_when_it_ends() {
    let _watchdog = support::watchdog();
    let (time, wakes) = (testing::pause(), Wakes::new());
    let mut reader = pipe().0.cancelable_reader(never()).idle_timeout(ms(10));
    for _ in 0..5 {
        assert!(wakes.poll(Pin::new(&mut reader.read(&mut [0]))).is_pending());
    }
    time.advance(ms(10));
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(Pin::new(&mut reader.read(&mut [0]))).is_ready());
}

#[test]
fn limit_that_overflows_never_fires() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut reader = pipe().0.cancelable_reader(timeout(ms(50))).idle_timeout(Duration::MAX);
    let error = time.block_on(reader.read(&mut [0])).unwrap_err();
    assert_eq!(cancelled_in(&error).reason(), &Reason::timeout(ms(50)));
}

#[test]
fn zero_ends_the_first_wait() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (pipe, far) = pipe();
    far.send(b"a");
    let mut reader = pipe.cancelable_reader(never()).idle_timeout(ms(0));
    assert_eq!(time.block_on(reader.read(&mut [0; 8])).unwrap(), 1, "it does not wait");
    assert!(time.block_on(reader.read(&mut [0; 8])).is_err());
    assert_eq!(time.elapsed(), ms(0));
}
