//! Panics of the work and of sources.

use super::*;

#[test]
fn from_the_work() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let wakes = Wakes::new();
    let mut polls = 0;
    let work = poll_fn(|_| {
        polls += 1;
        assert!(polls < 2, "on purpose");
        Poll::<()>::Pending
    });
    let mut run = Box::pin(work.cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    let unwound = catch_unwind(AssertUnwindSafe(|| wakes.poll(run.as_mut())));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"on purpose"));
    // After the panic, the race can be dropped, and leaves nothing behind.
    drop(run);
    assert_eq!(Arc::strong_count(&wakes), 1);
    assert!(token.cancel());
}

#[test]
fn from_a_custom_source() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let source = async { panic!("on purpose") };
    let mut run = Box::pin(tally.ready_at(1).cancelable(source));
    let unwound = catch_unwind(AssertUnwindSafe(|| poll_once(run.as_mut())));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"on purpose"));
    drop(run);
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}
