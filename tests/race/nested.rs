//! Races inside races.

use super::*;

#[test]
fn inner_fires() {
    let _watchdog = support::watchdog();
    let (inner, outer) = (CancellationToken::new(), CancellationToken::new());
    let mut run = pin!(pending::<()>().cancelable(&inner).cancelable(&outer));
    assert!(poll_once(run.as_mut()).is_pending());
    inner.cancel_with("inner");
    // For the outer race this is a value like any other.
    assert_eq!(poll_once(run), Poll::Ready(Ok(Err(Cancelled::new("inner")))));
}

#[test]
fn outer_fires() {
    let _watchdog = support::watchdog();
    let (inner, outer) = (CancellationToken::new(), CancellationToken::new());
    let tally = Tally::new();
    let mut run = Box::pin(tally.ready_at(0).cancelable(&inner).cancelable(&outer));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    outer.cancel_with("outer");
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Err(Cancelled::new("outer"))));
    // The inner race was dropped, and left no waker in its token.
    assert_eq!((tally.drops(), Arc::strong_count(&wakes)), (1, 1));
}

#[test]
fn both_fire() {
    let _watchdog = support::watchdog();
    let (inner, outer) = (CancellationToken::new(), CancellationToken::new());
    let mut run = pin!(pending::<()>().cancelable(&inner).cancelable(&outer));
    assert!(poll_once(run.as_mut()).is_pending());
    outer.cancel_with("outer");
    inner.cancel_with("inner");
    // The outcome of the inner race is a value, and is not thrown away.
    assert_eq!(poll_once(run), Poll::Ready(Ok(Err(Cancelled::new("inner")))));
    let run = pending::<()>().cancelable(&inner).cancelable(&outer);
    // If both have fired before the first poll, the outer source wins: it is polled first.
    assert_eq!(block_on(run), Err(Cancelled::new("outer")));
}

#[test]
fn inner_does_not_cancel_outer() {
    let _watchdog = support::watchdog();
    let outer = CancellationToken::new();
    let work = async {
        let step = pending::<()>().cancelable(timeout(Duration::from_millis(1))).await;
        assert!(step.unwrap_err().is_timeout());
        7
    };
    assert_eq!(block_on(work.cancelable(&outer)), Ok(7));
    assert!(!outer.is_cancelled());
}

#[test]
fn reasons_pass_outwards() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let child = token.child_token();
    token.cancel_with("closing");
    let work = async {
        pending::<()>().cancelable(&child).await?;
        Ok::<_, Cancelled>(7)
    };
    let cancelled = block_on(work.try_cancelable(never())).unwrap_err();
    assert_eq!(cancelled.reason(), &Reason::parent(Reason::manual("closing")));
}
