//! Later polls: the source is polled first, then the work. A value of the work is never thrown away.

use super::*;

#[test]
fn one_last_poll() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let tally = Tally::new();
    let mut run = pin!(tally.ready_at(3).cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    // This work would be ready one poll later.
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Err(Cancelled::new("stop"))));
    assert_eq!((tally.polls(), tally.drops()), (2, 1));
}

#[test]
fn value_is_kept() {
    let _watchdog = support::watchdog();
    for at in 2..20 {
        let token = CancellationToken::new();
        let mut run = pin!(Tally::new().ready_at(at).cancelable(&token));
        for _ in 1..at {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        token.cancel();
        assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(at)));
    }
}

#[test]
fn one_poll_each() {
    let _watchdog = support::watchdog();
    let (work, source) = (Tally::new(), Tally::new());
    let run = work.ready_at(0).cancelable(source.ready_at(0).because("never"));
    let mut run = pin!(run);
    for polls in 1..10 {
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!((work.polls(), source.polls()), (polls, polls + 1));
    }
}
