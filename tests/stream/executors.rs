//! Streams behave the same on every executor.

use std::pin::pin;
use std::thread;

use cancelable::prelude::*;
use futures::channel::mpsc::unbounded;
use futures::{StreamExt, TryStreamExt};

use crate::support::{Log, on_every_executor};

on_every_executor! {
    async fn items_of_another_thread_come_through() {
        let (sender, receiver) = unbounded();
        let producer = thread::spawn(move || {
            for number in 0..1000_u32 {
                sender.unbounded_send(number).unwrap();
                if number % 100 == 0 {
                    thread::yield_now();
                }
            }
        });
        let stream = receiver.cancelable_stream(CancellationToken::new()).keep_last(2).chunks(7);
        let partial = stream.partial();
        let items: Vec<_> = stream.try_concat().await.unwrap();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
        assert_eq!((partial.items(), partial.status()), (vec![998, 999], Status::Completed));
        producer.join().unwrap();
    }

    async fn it_is_cancelled_from_another_thread_while_it_waits() {
        let log = Log::new();
        let (sender, receiver) = unbounded::<u32>();
        sender.unbounded_send(7).unwrap();
        let clean_up = log.clone();
        let stream = receiver.cancelable_stream(never()).finally(move |_| async move {
            smol::future::yield_now().await;
            clean_up.note("cleaned up");
        });
        let operation = stream.operation();
        log.watch(&operation);
        let mut stream = pin!(stream);
        assert_eq!(stream.next().await, Some(Ok(7)));
        let canceller = thread::spawn(move || operation.cancel_with("stop"));
        assert_eq!(stream.next().await, Some(Err(Cancelled::new("stop"))));
        assert_eq!(stream.next().await, None);
        assert_eq!(log.take(), ["cleaned up", "hook: cancelled: stop"]);
        assert!(canceller.join().unwrap());
        assert!(sender.is_closed());
    }
}

#[cfg(feature = "time")]
on_every_executor! {
    async fn limits_strike() {
        use std::time::Duration;

        let limit = Duration::from_millis(5);
        let (sender, receiver) = unbounded::<u32>();
        sender.unbounded_send(7).unwrap();
        let mut stream = receiver.cancelable_stream(timeout(Duration::from_secs(3600))).idle_timeout(limit);
        assert_eq!(stream.next().await, Some(Ok(7)));
        let cancelled = stream.next().await.unwrap().unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::timeout(limit));

        let (_sender, receiver) = unbounded::<u32>();
        let mut stream = receiver.cancelable_stream(timeout(limit)).idle_timeout(Duration::from_secs(3600));
        let cancelled = stream.next().await.unwrap().unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::timeout(limit));
    }
}
