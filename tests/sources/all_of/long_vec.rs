//! Lists of more than thirty sources, which are polled in another way than short lists.

use super::*;

const LENGTHS: [usize; 5] = [29, 30, 31, 32, 100];

fn tokens(length: usize) -> Vec<CancellationToken> {
    (0..length).map(|_| CancellationToken::new()).collect()
}

fn numbered(length: usize) -> Reason {
    Reason::all((0..length).map(|place| Reason::manual(place.to_string())))
}

#[test]
fn reason() {
    let _watchdog = support::watchdog();
    for length in LENGTHS {
        let tokens = tokens(length);
        let mut source = pin!(all_of(tokens.iter().collect::<Vec<_>>()));
        // The sources fire from the last to the first, with a poll after each.
        for place in (0..length).rev() {
            assert!(poll_once(source.as_mut()).is_pending());
            tokens[place].cancel_with(place.to_string());
        }
        assert_eq!(poll_once(source), Poll::Ready(numbered(length)));
    }
}

#[test]
fn wakes_exactly_once() {
    let _watchdog = support::watchdog();
    for length in LENGTHS {
        let tokens = tokens(length);
        let mut run = pin!(std::future::pending::<()>().cancelable(all_of(tokens.clone())));
        let wakes = Wakes::new();
        // The task is woken once for each source that fires.
        for (fired, token) in tokens.iter().enumerate() {
            assert!(wakes.poll(run.as_mut()).is_pending());
            assert_eq!(wakes.count(), fired);
            token.cancel();
            assert_eq!(wakes.count(), fired + 1);
        }
        assert!(wakes.poll(run).is_ready());
        assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (length, 1));
    }
}

#[test]
fn already_fired() {
    let _watchdog = support::watchdog();
    for length in LENGTHS {
        let tokens = tokens(length);
        for (place, token) in tokens.iter().enumerate() {
            token.cancel_with(place.to_string());
        }
        let tally = Tally::new();
        let run = tally.ready_at(1).cancelable(all_of(tokens));
        assert_eq!(block_on(run), Err(Cancelled::new(numbered(length))));
        assert_eq!((tally.polls(), tally.drops()), (0, 1));
    }
}

#[test]
fn fired_between_two_polls() {
    let _watchdog = support::watchdog();
    for length in LENGTHS {
        let tokens = tokens(length);
        let mut run = pin!(std::future::pending::<()>().cancelable(all_of(tokens.clone())));
        let wakes = Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        for (place, token) in tokens.iter().enumerate() {
            token.cancel_with(place.to_string());
        }
        assert!(wakes.count() >= 1);
        assert_eq!(wakes.poll(run), Poll::Ready(Err(Cancelled::new(numbered(length)))));
    }
}

#[test]
fn changed_waker() {
    let _watchdog = support::watchdog();
    for length in LENGTHS {
        let tokens = tokens(length);
        let mut run = pin!(std::future::pending::<()>().cancelable(all_of(tokens.clone())));
        let (old, last) = (Wakes::new(), Wakes::new());
        assert!(old.poll(run.as_mut()).is_pending());
        assert!(last.poll(run.as_mut()).is_pending());
        for (fired, token) in tokens.iter().enumerate() {
            token.cancel();
            assert_eq!((old.count(), last.count()), (0, fired + 1));
            assert_eq!(last.poll(run.as_mut()).is_ready(), fired + 1 == length);
        }
    }
}

#[test]
fn drop_deregisters() {
    let _watchdog = support::watchdog();
    for length in LENGTHS {
        let tokens = tokens(length);
        let mut source = Box::pin(all_of(tokens.clone()));
        let wakes = Wakes::new();
        assert!(wakes.poll(source.as_mut()).is_pending());
        let before = wakes.count();
        drop(source);
        assert_eq!(Arc::strong_count(&wakes), 1);
        assert!(tokens.iter().all(CancellationToken::cancel));
        assert_eq!(wakes.count(), before);
    }
}

#[test]
fn on_an_executor() {
    let _watchdog = support::watchdog();
    for length in LENGTHS {
        let tokens = tokens(length);
        let remote = tokens.clone();
        let canceller = thread::spawn(move || {
            for (place, token) in remote.iter().enumerate().rev() {
                thread::sleep(Duration::from_micros(200));
                token.cancel_with(place.to_string());
            }
        });
        let run = std::future::pending::<()>().cancelable(all_of(tokens));
        assert_eq!(block_on(run), Err(Cancelled::new(numbered(length))));
        canceller.join().unwrap();
    }
}
