//! `cancel`: the first call wins, and every waiter is woken.

use super::*;

#[test]
fn first_wins() {
    let _watchdog = support::watchdog();
    for _ in 0..20 {
        let token = CancellationToken::new();
        let start = Barrier::new(100);
        let winners: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..100)
                .map(|number| {
                    let (token, start) = (&token, &start);
                    scope.spawn(move || {
                        start.wait();
                        token.cancel_with(number.to_string()).then_some(number)
                    })
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(token.reason(), Some(Reason::manual(winners[0].to_string())));
    }
}

#[test]
fn second_changes_nothing() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert!(token.cancel_with("first"));
    assert!(!token.cancel_with("second"));
    assert!(!token.clone().cancel());
    assert_eq!(token.reason(), Some(Reason::manual("first")));
}

#[test]
fn without_a_message() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!((token.is_cancelled(), token.reason()), (false, None));
    assert!(token.cancel());
    assert!(token.is_cancelled());
    assert_eq!(token.reason(), Some(Reason::Manual { message: None }));
}

#[test]
fn from_another_thread() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let remote = token.clone();
    let (idle, is_idle) = channel();
    let canceller = thread::spawn(move || {
        is_idle.recv().unwrap();
        thread::sleep(Duration::from_millis(10));
        remote.cancel_with("from the thread")
    });
    // Reports that it was polled, and stays pending.
    let work = std::future::poll_fn(|_| {
        let _ = idle.send(());
        Poll::<()>::Pending
    });
    let cancelled = block_on(work.cancelable(&token)).unwrap_err();
    assert_eq!(cancelled, Cancelled::new("from the thread"));
    assert!(canceller.join().unwrap());
}

#[test]
fn all_waiters_are_woken() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut waits: Vec<_> = (0..1000).map(|_| Box::pin(token.cancelled())).collect();
    let wakes: Vec<_> = (0..1000).map(|_| Wakes::new()).collect();
    for (wait, wakes) in waits.iter_mut().zip(&wakes) {
        assert!(wakes.poll(wait.as_mut()).is_pending());
    }
    // Every third waiter is dropped before the cancellation.
    let left: Vec<_> = (0..1000).step_by(3).collect();
    for place in left.iter().rev() {
        drop(waits.remove(*place));
    }
    token.cancel();
    for (place, wakes) in wakes.iter().enumerate() {
        assert_eq!(wakes.count(), usize::from(place % 3 != 0), "{place}");
    }
}

#[test]
fn check() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(token.check(), Ok(()));
    token.cancel_with("stop");
    assert_eq!(token.check(), Err(Cancelled::new("stop")));
}

#[test]
fn run_until_cancelled() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(block_on(token.run_until_cancelled(async { 7 })), Ok(7));
    let mut run = pin!(token.run_until_cancelled(std::future::pending::<()>()));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert_eq!(poll_once(run), Poll::Ready(Err(Cancelled::new("stop"))));
    let tally = Tally::new();
    assert!(block_on(token.run_until_cancelled(tally.ready_at(1))).is_err());
    assert_eq!(tally.polls(), 0);
}
