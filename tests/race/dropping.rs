//! What a race drops, when, and in which order.

use super::*;

#[test]
fn unpolled_drops_both() {
    let _watchdog = support::watchdog();
    let (work, source) = (Tally::new(), Tally::new());
    drop(work.ready_at(1).cancelable(source.ready_at(1).because("x")));
    assert_eq!((work.polls(), work.drops()), (0, 1));
    assert_eq!((source.polls(), source.drops()), (0, 1));
}

#[test]
fn pending_drops_both() {
    let _watchdog = support::watchdog();
    let (work, source) = (Tally::new(), Tally::new());
    let run = work.ready_at(0).cancelable(source.ready_at(0).because("x"));
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert_eq!((work.drops(), source.drops()), (1, 1));
}

#[test]
fn resolving_drops_both() {
    let _watchdog = support::watchdog();
    for (work_at, source_at) in [(1, 0), (0, 1), (0, 2), (0, 3), (2, 3)] {
        let (work, source) = (Tally::new(), Tally::new());
        let run = work.ready_at(work_at).cancelable(source.ready_at(source_at).because("x"));
        let mut run = Box::pin(run);
        while poll_once(run.as_mut()).is_pending() {
            assert_eq!((work.drops(), source.drops()), (0, 0));
        }
        // Both are dropped although the race itself still exists.
        assert_eq!((work.drops(), source.drops()), (1, 1));
        drop(run);
        assert_eq!((work.drops(), source.drops()), (1, 1));
    }
}

#[test]
fn work_before_source() {
    let _watchdog = support::watchdog();
    struct Says<'a>(&'static str, &'a Mutex<Vec<&'static str>>);
    impl Drop for Says<'_> {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let order = Mutex::new(Vec::new());
    let (work, source) = (Says("work", &order), Says("source", &order));
    let work = async move {
        let _held = work;
        pending::<()>().await
    };
    let mut polls = 0;
    let source = poll_fn(move |_| {
        let _held = &source;
        polls += 1;
        if polls < 2 { Poll::Pending } else { Poll::Ready(Reason::Dropped) }
    });
    let cancelled = block_on(work.cancelable(source)).unwrap_err();
    assert!(cancelled.is_dropped());
    assert_eq!(*order.lock().unwrap(), ["work", "source"]);
}
