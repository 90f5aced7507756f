//! Races on each executor: a bare `block_on`, two kinds of `tokio`, `smol` and `async-std`.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use futures::future::{join, join_all};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

/// Cancels from another thread, when the task is probably asleep.
fn cancel_later(token: &CancellationToken, after: Duration) -> thread::JoinHandle<bool> {
    let remote = token.clone();
    thread::spawn(move || {
        thread::sleep(after);
        remote.cancel_with("from a thread")
    })
}

crate::support::on_every_executor! {
    async fn timeout_fires() {
        let start = Instant::now();
        let cancelled = pending::<()>().cancelable(timeout(SHORT)).await.unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::timeout(SHORT));
        assert!(start.elapsed() >= SHORT);
    }

    async fn deadline_fires() {
        let end = Instant::now() + SHORT;
        assert!(pending::<()>().cancelable(deadline(end)).await.unwrap_err().is_timeout());
        assert!(Instant::now() >= end);
        // The deadline has passed, so a race with it ends at once.
        assert!(async { 7 }.cancelable(deadline(end)).await.unwrap_err().is_timeout());
    }

    async fn token_from_a_thread() {
        let token = CancellationToken::new();
        let canceller = cancel_later(&token, SHORT);
        let cancelled = pending::<()>().cancelable(&token).await.unwrap_err();
        assert_eq!(cancelled, Cancelled::new("from a thread"));
        assert!(canceller.join().unwrap());
    }

    async fn token_from_the_work() {
        let token = CancellationToken::new();
        let inside = token.clone();
        let work = async move {
            inside.cancel_with("from within");
            pending::<()>().await
        };
        assert_eq!(work.cancelable(&token).await, Err(Cancelled::new("from within")));
    }

    async fn any_of_first() {
        let token = CancellationToken::new();
        let canceller = cancel_later(&token, SHORT);
        let sources = any_of((timeout(LONG), &token, condition(|| false)));
        let cancelled = pending::<()>().cancelable(sources).await.unwrap_err();
        assert_eq!(cancelled, Cancelled::new("from a thread"));
        canceller.join().unwrap();
        // The token has not fired here.
        let sources = any_of((timeout(SHORT), CancellationToken::new()));
        assert!(pending::<()>().cancelable(sources).await.unwrap_err().is_timeout());
    }

    async fn all_of_token_first() {
        let (token, start) = (CancellationToken::new(), Instant::now());
        token.cancel_with("ready");
        let sources = timeout(SHORT) & &token;
        let cancelled = pending::<()>().cancelable(sources).await.unwrap_err();
        assert!(start.elapsed() >= SHORT);
        assert_eq!(cancelled.reason().leaves(), [Reason::timeout(SHORT), Reason::manual("ready")]);
    }

    async fn all_of_token_last() {
        let (token, start) = (CancellationToken::new(), Instant::now());
        let canceller = cancel_later(&token, SHORT * 3);
        let sources = timeout(SHORT) & &token;
        let cancelled = pending::<()>().cancelable(sources).await.unwrap_err();
        assert!(start.elapsed() >= SHORT * 3);
        let expected = [Reason::timeout(SHORT), Reason::manual("from a thread")];
        assert_eq!(cancelled.reason().leaves(), expected);
        canceller.join().unwrap();
    }

    async fn condition_fires() {
        let checks = AtomicUsize::new(0);
        let third = condition(|| checks.fetch_add(1, Ordering::SeqCst) == 2);
        let third = third.every(Duration::from_millis(2)).named("third");
        let cancelled = pending::<()>().cancelable(third).await.unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::condition("third", 3));
    }

    async fn async_condition_fires() {
        let checks = AtomicUsize::new(0);
        let third = condition_async(|| async {
            timeout(Duration::from_millis(2)).await;
            checks.fetch_add(1, Ordering::SeqCst) == 2
        });
        let third = third.every(Duration::from_millis(2)).named("third");
        let cancelled = pending::<()>().cancelable(third).await.unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::condition("third", 3));
    }

    async fn ready_future_as_a_source() {
        let (sender, receiver) = futures::channel::oneshot::channel::<()>();
        let closer = thread::spawn(move || {
            thread::sleep(SHORT);
            drop(sender);
        });
        let source = receiver.because(Reason::Disconnected);
        let cancelled = pending::<()>().cancelable(source).await.unwrap_err();
        assert!(cancelled.is_disconnected());
        closer.join().unwrap();
    }

    async fn nested_race() {
        let token = CancellationToken::new();
        let inner = pending::<()>().cancelable(timeout(SHORT)).cancelable(&token);
        assert!(inner.await.unwrap().unwrap_err().is_timeout());
        let canceller = cancel_later(&token, SHORT);
        let outer = pending::<()>().cancelable(timeout(LONG)).cancelable(&token);
        assert_eq!(outer.await.unwrap_err(), Cancelled::new("from a thread"));
        canceller.join().unwrap();
    }

    async fn ready_work() {
        let token = CancellationToken::new();
        let end = Instant::now() + LONG;
        let either = any_of((timeout(LONG), deadline(end), &token, never()));
        let both = all_of((timeout(LONG), &token));
        let conditions = condition(|| false) | condition_async(|| async { false });
        let everything = any_of((either, both, conditions));
        assert_eq!(async { 7 }.cancelable(everything).await, Ok(7));
    }

    async fn two_timeouts() {
        let start = Instant::now();
        let either = timeout(LONG) | timeout(SHORT);
        let cancelled = pending::<()>().cancelable(either).await.unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::timeout(SHORT));
        assert!(start.elapsed() >= SHORT);
        let start = Instant::now();
        let both = timeout(SHORT * 2) & timeout(SHORT);
        let cancelled = pending::<()>().cancelable(both).await.unwrap_err();
        assert!(start.elapsed() >= SHORT * 2);
        let expected = [Reason::timeout(SHORT * 2), Reason::timeout(SHORT)];
        assert_eq!(cancelled.reason().leaves(), expected);
    }

    async fn timeout_as_a_sleep() {
        let start = Instant::now();
        let work = async {
            for _ in 0..3 {
                timeout(SHORT / 2).await;
            }
            7
        };
        assert_eq!(work.cancelable(timeout(LONG)).await, Ok(7));
        assert!(start.elapsed() >= SHORT * 3 / 2);
        let work = async {
            timeout(LONG).await;
            7
        };
        assert!(work.cancelable(timeout(SHORT)).await.unwrap_err().is_timeout());
    }

    async fn cancel_many() {
        let token = CancellationToken::new();
        let runs = (0..1000).map(|number| {
            let sources = any_of((timeout(LONG), token.child_token()));
            // The work of every tenth race returns a value.
            let work = async move { if number % 10 == 0 { number } else { pending().await } };
            work.cancelable(sources)
        });
        // `join` polls this future second, so all races have been polled once when the token is cancelled.
        let canceller = async { cancel_later(&token, SHORT) };
        let (outcomes, canceller) = join(join_all(runs), canceller).await;
        let parent = Reason::parent(Reason::manual("from a thread"));
        for (number, outcome) in outcomes.into_iter().enumerate() {
            if number % 10 == 0 {
                assert_eq!(outcome, Ok(number));
            } else {
                assert_eq!(outcome.unwrap_err().reason(), &parent);
            }
        }
        canceller.join().unwrap();
    }

    async fn cancelled_work_stops() {
        let (token, steps) = (CancellationToken::new(), AtomicUsize::new(0));
        let work = async {
            loop {
                steps.fetch_add(1, Ordering::SeqCst);
                timeout(Duration::from_millis(1)).await;
            }
        };
        let canceller = cancel_later(&token, SHORT);
        let outcome: Result<(), Cancelled> = work.cancelable(&token).await;
        assert!(outcome.unwrap_err().is_manual());
        canceller.join().unwrap();
        let made = steps.load(Ordering::SeqCst);
        assert!(made >= 1);
        timeout(Duration::from_millis(10)).await;
        assert_eq!(steps.load(Ordering::SeqCst), made);
    }
}
