//! Races that move between threads.

use super::*;

#[test]
fn moved_between_polls() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let tally = Tally::new();
    let sources = any_of((token.clone(), timeout(LONG), condition(|| false).every(LONG)));
    let mut run = Box::pin(tally.ready_at(0).cancelable(sources));
    let wakes: Vec<_> = (0..5).map(|_| Wakes::new()).collect();
    for wakes in &wakes {
        let wakes = wakes.clone();
        let polled = thread::spawn(move || {
            assert!(wakes.poll(run.as_mut()).is_pending());
            run
        });
        run = polled.join().unwrap();
    }
    token.cancel_with("stop");
    let counts: Vec<_> = wakes.iter().map(|wakes| wakes.count()).collect();
    assert_eq!(counts, [0, 0, 0, 0, 1]);
    let outcome = thread::spawn(move || poll_once(run.as_mut())).join().unwrap();
    assert_eq!(outcome, Poll::Ready(Err(Cancelled::new("stop"))));
    assert_eq!((tally.polls(), tally.drops()), (6, 1));
}

#[test]
fn send_and_sync() {
    let _watchdog = support::watchdog();
    fn both<T: Send + Sync>(_: &T) {}
    let token = CancellationToken::new();
    both(&ready(7).cancelable(&token));
    both(&ready(7).cancelable(timeout(LONG)));
    both(&ready(7).cancelable(any_of((token.clone(), timeout(LONG)))));
    both(&ready(7).cancelable(all_of(vec![token.clone(), token.clone()])));
    both(&ready(7).cancelable(condition(|| true).on_panic(|_| {})));
    both(&ready(Ok::<_, Cancelled>(7)).try_cancelable(&token));
}

#[test]
fn borrowed_and_local_work() {
    let _watchdog = support::watchdog();
    let (shared, local) = (Rc::new(Cell::new(0)), Cell::new(false));
    let work = async {
        shared.set(7);
        local.set(true);
        shared.get()
    };
    let source = condition(|| local.get());
    assert_eq!(block_on(work.cancelable(source)), Ok(7));
}

#[test]
fn cancelled_during_a_poll() {
    let _watchdog = support::watchdog();
    // A lost wake-up would hang here.
    for _ in 0..2_000 {
        let token = CancellationToken::new();
        let remote = token.clone();
        let (go, ready) = std::sync::mpsc::sync_channel(0);
        let canceller = thread::spawn(move || {
            ready.recv().unwrap();
            remote.cancel();
        });
        go.send(()).unwrap();
        assert!(block_on(pending::<()>().cancelable(&token)).is_err());
        canceller.join().unwrap();
    }
}
