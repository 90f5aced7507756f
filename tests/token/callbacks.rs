//! `on_cancel`: order, unregistering, panics, races.

use super::*;

/// Records which callbacks ran.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<usize>>>);

impl Log {
    /// Returns a callback that records this number.
    fn writes(&self, number: usize) -> impl FnOnce(&Reason) + Send + 'static {
        let log = self.0.clone();
        move |_| log.lock().unwrap().push(number)
    }

    fn read(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn run_in_order() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::default();
    let mut kept: Vec<_> = (0..100).map(|number| token.on_cancel(log.writes(number))).collect();
    // New callbacks run last, even if earlier callbacks were dropped.
    drop(kept.remove(50));
    drop(kept.remove(0));
    kept.push(token.on_cancel(log.writes(100)));
    assert!(log.read().is_empty());
    token.cancel();
    let expected: Vec<_> = (1..50).chain(51..=100).collect();
    assert_eq!(log.read(), expected);
}

#[test]
fn run_in_order_after_most_were_dropped() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::default();
    let added = (0..100).map(|number| (number, token.on_cancel(log.writes(number))));
    // The registrations are dropped in order, then from the newest to the oldest.
    let (first, mut kept): (Vec<_>, Vec<_>) = added.partition(|(number, _)| number % 3 == 0);
    drop(first);
    while kept.len() > 2 {
        kept.pop();
    }
    kept.push((100, token.on_cancel(log.writes(100))));
    drop(kept.remove(0));
    token.cancel();
    assert_eq!(log.read(), [2, 100]);
}

#[test]
fn run_once() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::default();
    let registration = token.on_cancel(log.writes(0));
    token.cancel();
    token.cancel();
    drop(registration);
    assert_eq!(log.read(), [0]);
}

#[test]
fn run_on_the_cancelling_thread() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (sender, receiver) = channel();
    let _registration = token.on_cancel(move |reason| {
        sender.send((reason.clone(), thread::current().id())).unwrap();
    });
    let canceller = thread::spawn(move || token.cancel_with("stop"));
    let id = canceller.thread().id();
    assert_eq!(receiver.recv().unwrap(), (Reason::manual("stop"), id));
    assert!(canceller.join().unwrap());
}

#[test]
fn done_when_cancel_returns() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::default();
    let child = token.child_token();
    let _own = token.on_cancel(log.writes(1));
    let _below = child.on_cancel(log.writes(2));
    token.cancel();
    assert_eq!(log.read().len(), 2);
}

#[test]
fn run_after_descendants_and_waiters() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let child = token.child_token();
    let mut wait = pin!(child.cancelled());
    let wakes = Wakes::new();
    assert!(wakes.poll(wait.as_mut()).is_pending());
    let (sender, receiver) = channel();
    let (seen, below) = (wakes.clone(), child.clone());
    let _registration = token.on_cancel(move |_| {
        sender.send((below.is_cancelled(), seen.count())).unwrap();
    });
    token.cancel();
    assert_eq!(receiver.recv().unwrap(), (true, 1));
}

#[test]
fn run_at_once_on_a_cancelled_token() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("before");
    let (sender, receiver) = channel();
    let registration = token.on_cancel(move |reason| sender.send(reason.clone()).unwrap());
    assert_eq!(receiver.try_recv(), Ok(Reason::manual("before")));
    assert!(format!("{registration:?}").contains("false"), "{registration:?}");
    drop(registration);
}

#[test]
fn dropping_unregisters() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::default();
    let held = Arc::new(());
    let inside = held.clone();
    let registration = token.on_cancel(move |_| drop(inside));
    assert!(format!("{registration:?}").contains("true"), "{registration:?}");
    drop(registration);
    assert_eq!(Arc::strong_count(&held), 1);
    drop(token.on_cancel(log.writes(0)));
    let _kept = token.on_cancel(log.writes(1));
    token.cancel();
    assert_eq!(log.read(), [1]);
}

#[test]
fn detach() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::default();
    token.on_cancel(log.writes(0)).detach();
    token.cancel();
    assert_eq!(log.read(), [0]);
}

#[test]
fn panic_is_contained() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let child = token.child_token();
    let log = Log::default();
    let _all = [
        token.on_cancel(log.writes(0)),
        token.on_cancel(|_| panic!("in a callback")),
        token.on_cancel(log.writes(1)),
        child.on_cancel(|_| panic!("in a callback of a child")),
        child.on_cancel(log.writes(2)),
    ];
    assert!(token.cancel());
    assert_eq!(log.read(), [0, 1, 2]);
    // A panic of a callback that runs at once is contained too.
    drop(token.on_cancel(|_| panic!("at once")));
    drop(token.on_cancel(log.writes(3)));
    assert_eq!(log.read(), [0, 1, 2, 3]);
}

#[test]
fn registered_inside_a_callback() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::default();
    let (inner, again) = (log.writes(1), token.clone());
    let outer = log.writes(0);
    let _registration = token.on_cancel(move |reason| {
        outer(reason);
        // The token is cancelled, so this callback runs at once.
        again.on_cancel(inner).detach();
    });
    let _later = token.on_cancel(log.writes(2));
    token.cancel();
    assert_eq!(log.read(), [0, 1, 2]);
}

#[test]
fn dropped_inside_a_callback() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::default();
    let own = Arc::new(Mutex::new(None));
    let (slot, first) = (own.clone(), log.writes(0));
    // Drops its own registration, a handle of the token, and another token's handle.
    let other = CancellationToken::new();
    let foreign = other.on_cancel(log.writes(9));
    let handle = token.clone();
    let registration = token.on_cancel(move |reason| {
        drop(slot.lock().unwrap().take());
        drop((foreign, handle));
        first(reason);
    });
    *own.lock().unwrap() = Some(registration);
    let _last = token.on_cancel(log.writes(1));
    token.cancel();
    other.cancel();
    assert_eq!(log.read(), [0, 1]);
}

#[test]
fn reentrant() {
    let _watchdog = support::watchdog();
    let (token, other) = (CancellationToken::new(), CancellationToken::new());
    let (sender, receiver) = channel();
    let (own, second) = (token.clone(), other.clone());
    let _registration = token.on_cancel(move |_| {
        let word = (own.cancel(), own.is_cancelled(), second.cancel(), own.child_token());
        sender.send(word).unwrap();
    });
    token.cancel();
    let (again, is_cancelled, cancelled_other, child) = receiver.recv().unwrap();
    assert_eq!((again, is_cancelled, cancelled_other), (false, true, true));
    assert!(child.is_cancelled() && other.is_cancelled());
}

#[test]
fn callback_owns_token() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let held = Arc::new(());
    let (owner, inside) = (token.clone(), held.clone());
    let registration = token.on_cancel(move |_| drop((owner, inside)));
    // This would hang if the callback were dropped under the lock.
    drop(registration);
    assert_eq!(Arc::strong_count(&held), 1);
}

/// Cancels each of many tokens on another thread while `race` uses the token. `race` waits for the barrier when it is ready.
/// Returns the counters that were passed to `race`.
fn race_cancels(
    race: impl Fn(&CancellationToken, Arc<AtomicUsize>, &Barrier),
) -> Vec<Arc<AtomicUsize>> {
    const ROUNDS: usize = 5_000;
    let tokens: Vec<_> = (0..ROUNDS).map(|_| CancellationToken::new()).collect();
    let runs: Vec<_> = (0..ROUNDS).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            for token in &tokens {
                start.wait();
                assert!(token.cancel());
            }
        });
        for (token, runs) in tokens.iter().zip(&runs) {
            race(token, runs.clone(), &start);
        }
    });
    runs
}

#[test]
fn register_races_cancel() {
    let _watchdog = support::watchdog();
    let all = race_cancels(|token, counter, start| {
        start.wait();
        let count = move |_: &Reason| {
            counter.fetch_add(1, Ordering::SeqCst);
        };
        token.on_cancel(count).detach();
    });
    assert!(all.iter().all(|runs| runs.load(Ordering::SeqCst) == 1));
}

#[test]
fn unregister_races_cancel() {
    let _watchdog = support::watchdog();
    let all = race_cancels(|token, counter, start| {
        let registration = token.on_cancel(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        start.wait();
        drop(registration);
    });
    for runs in &all {
        assert!(runs.load(Ordering::SeqCst) <= 1);
        // The callback was dropped, whether it has run or was unregistered.
        assert_eq!(Arc::strong_count(runs), 1);
    }
}
