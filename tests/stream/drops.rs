//! Everything that is passed to a stream is dropped exactly once, however the stream ends.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use cancelable::prelude::*;
use futures::{Stream, StreamExt, stream};

use crate::feed::next;
use crate::support::{self, Wakes, payload_of};

/// Counts how many of its tickets exist, and how many have been dropped.
#[derive(Clone, Default)]
struct Tickets(Arc<[AtomicUsize; 2]>);

struct Ticket(Tickets);

impl Tickets {
    fn ticket(&self) -> Ticket {
        self.0[0].fetch_add(1, Ordering::SeqCst);
        Ticket(self.clone())
    }

    /// Returns how many tickets there were, and how many of them are left.
    fn counts(&self) -> (usize, usize) {
        let [made, dropped] = [0, 1].map(|which| self.0[which].load(Ordering::SeqCst));
        (made, made - dropped)
    }
}

impl Clone for Ticket {
    fn clone(&self) -> Self {
        self.0.ticket()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.0[1].fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Failed;

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

impl From<Cancelled> for Failed {
    fn from(_: Cancelled) -> Self {
        Failed
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    NeverPolled,
    Complete,
    Error,
    ByToken,
    ByTokenFirst,
    Panic,
    DroppedStreaming,
    DroppedCleaningUp,
}

use Ending::*;

type Boxed = Pin<Box<dyn Stream<Item = Result<Vec<Ticket>, Failed>>>>;

/// Builds a stream. Everything that can be passed to it holds a ticket.
fn build(ending: Ending, tickets: &Tickets, token: &CancellationToken) -> Boxed {
    let (held, made) = (tickets.ticket(), tickets.clone());
    let items = stream::iter(0..5).then(move |number| {
        let (_held, item) = (&held, made.ticket());
        let waits = number == 4 && !matches!(ending, Complete | Error | Panic | DroppedCleaningUp);
        async move {
            match ending {
                Error if number == 4 => return Err(Failed),
                Panic if number == 4 => panic!("four"),
                _ if waits => pending().await,
                _ => {}
            }
            Ok(item)
        }
    });
    let source = {
        let (held, token) = (tickets.ticket(), token.clone());
        async move {
            let _held = held;
            token.cancelled().await
        }
    };
    let t = || tickets.ticket();
    let [start, progress, complete, cancel, error, lost] = [t(), t(), t(), t(), t(), t()];
    let [first, second, third, spawn] = [t(), t(), t(), t()];
    let stream = items
        .try_cancelable_stream(source)
        .keep_last(2)
        .report_every(1)
        .chunks(3)
        .on_start(move |_| drop(start))
        .on_progress(move |_, _| _ = &progress)
        .on_complete(move |_| drop(complete))
        .on_cancel(move |_, _| drop(cancel))
        .on_error(move |_, _| drop(error))
        .on_clean_up_lost(move |_| drop(lost))
        .finally(move |_| async move { drop(first) })
        .finally(move |_| async move {
            let _second = second;
            if ending == DroppedCleaningUp {
                pending().await
            }
        })
        .finally_or_spawn(
            move |task| {
                let _spawn = &spawn;
                support::block_on(task);
            },
            move |_| async move { drop(third) },
        );
    Box::pin(stream)
}

#[test]
fn everything_once() {
    let _watchdog = support::watchdog();
    let endings = [
        NeverPolled,
        Complete,
        Error,
        ByToken,
        ByTokenFirst,
        Panic,
        DroppedStreaming,
        DroppedCleaningUp,
    ];
    for ending in endings {
        let (tickets, token, wakes) = (Tickets::default(), CancellationToken::new(), Wakes::new());
        let mut stream = build(ending, &tickets, &token);
        match ending {
            NeverPolled => {}
            ByTokenFirst => {
                token.cancel();
                assert!(matches!(next(stream.as_mut(), &wakes), Poll::Ready(Some(Err(_)))));
            }
            _ => {
                let first = next(stream.as_mut(), &wakes);
                assert!(matches!(first, Poll::Ready(Some(Ok(chunk))) if chunk.len() == 3));
                match ending {
                    Panic => drop(payload_of(|| next(stream.as_mut(), &wakes).is_ready())),
                    ByToken | DroppedStreaming => {
                        assert!(next(stream.as_mut(), &wakes).is_pending());
                    }
                    Complete | DroppedCleaningUp => {
                        let last = next(stream.as_mut(), &wakes);
                        assert!(matches!(last, Poll::Ready(Some(Ok(chunk))) if chunk.len() == 2));
                    }
                    _ => {}
                }
                if ending != Error {
                    token.cancel();
                }
                match ending {
                    Error | ByToken => {
                        assert!(matches!(next(stream.as_mut(), &wakes), Poll::Ready(Some(Err(_)))));
                    }
                    DroppedCleaningUp => assert!(next(stream.as_mut(), &wakes).is_pending()),
                    DroppedStreaming => {}
                    _ => assert!(matches!(next(stream.as_mut(), &wakes), Poll::Ready(None))),
                }
            }
        }
        drop(stream);
        let (made, left) = tickets.counts();
        assert_eq!((made >= 12, left), (true, 0), "{ending:?}: {made} tickets");
    }
}

#[test]
fn hooks_of_a_handle_that_outlives_it() {
    let _watchdog = support::watchdog();
    for polled in [false, true] {
        let (tickets, wakes) = (Tickets::default(), Wakes::new());
        let mut stream = Box::pin(stream::iter(0..3).cancelable_stream(never()));
        let (operation, partial) = (stream.operation(), stream.partial());
        let [complete, cancel] = [tickets.ticket(), tickets.ticket()];
        let kept = partial.clone();
        operation.on_complete(move |_| drop(complete));
        operation.on_cancel(move |_, _| drop((cancel, kept)));
        if polled {
            assert!(next(stream.as_mut(), &wakes).is_ready());
        }
        drop(stream);
        assert_eq!(tickets.counts(), (2, 0), "polled: {polled}");
        let late = tickets.ticket();
        operation.on_error(move |_, _| drop(late));
        assert_eq!(tickets.counts(), (3, 0), "a hook given too late is released");
    }
}
