//! The first poll: the source is polled with a probe, which is a waker that wakes nothing. Then the work is polled, and then
//! the source again, to register.

use super::*;

#[test]
fn source_before_work() {
    let _watchdog = support::watchdog();
    let order = Mutex::new(Vec::new());
    let said = |word| order.lock().unwrap().push(word);
    let source = poll_fn(|_| {
        said("source");
        Poll::Pending
    });
    let work = poll_fn(|_| {
        said("work");
        Poll::<()>::Pending
    });
    let mut run = pin!(work.cancelable(source));
    assert!(poll_once(run.as_mut()).is_pending());
    // The source is polled with a probe. It registers afterwards, because the work is pending.
    assert_eq!(*order.lock().unwrap(), ["source", "work", "source"]);
    order.lock().unwrap().clear();
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(*order.lock().unwrap(), ["source", "work"]);
}

#[test]
fn fired_source_wins() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let mut run = pin!(tally.ready_at(1).cancelable(cancelled_token("before")));
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Err(Cancelled::new("before"))));
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn ready_work_polls_the_source_once() {
    let _watchdog = support::watchdog();
    let source = Tally::new();
    let run = async { 7 }.cancelable(source.ready_at(2).because("late"));
    assert_eq!(block_on(run), Ok(7));
    assert_eq!((source.polls(), source.drops()), (1, 1));
}

#[test]
fn source_fires_while_registering() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let run = tally.ready_at(0).cancelable(Tally::new().ready_at(2).because("second look"));
    let mut run = pin!(run);
    // The work had its last poll in the same call.
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Err(Cancelled::new("second look"))));
    assert_eq!((tally.polls(), tally.drops()), (2, 1));
}

#[test]
fn work_fires_its_source() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let work = async {
        token.cancel_with("from within");
        7
    };
    assert_eq!(block_on(work.cancelable(&token)), Ok(7));
    let token = CancellationToken::new();
    let work = async {
        token.cancel_with("from within");
        pending::<()>().await
    };
    let mut run = pin!(work.cancelable(&token));
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Err(Cancelled::new("from within"))));
}
