//! `condition_blocking`: checks on a thread pool.

use std::sync::mpsc::channel;
use std::task::{Context, Wake, Waker};

use super::*;

suite!(|fact| {
    let fact = fact.clone();
    condition_blocking(move || fact.ask())
});

#[test]
fn wakes_when_the_check_has_ended() {
    let _watchdog = support::watchdog();
    let (release, released) = channel::<()>();
    let mut source = pin!(condition_blocking(move || released.recv().is_ok()));
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    assert!(wakes.poll(source.as_mut()).is_pending());
    assert_eq!(wakes.count(), 0);
    release.send(()).unwrap();
    wakes.wait(1);
    assert_eq!(wakes.poll(source), Poll::Ready(Reason::condition("condition", 1)));
    assert_eq!(wakes.count(), 1);
}

#[test]
fn changed_waker() {
    let _watchdog = support::watchdog();
    let (release, released) = channel::<()>();
    let mut source = pin!(condition_blocking(move || released.recv().is_ok()));
    let (first, last) = (Wakes::new(), Wakes::new());
    assert!(first.poll(source.as_mut()).is_pending());
    assert!(last.poll(source.as_mut()).is_pending());
    release.send(()).unwrap();
    last.wait(1);
    assert!(last.poll(source).is_ready());
    assert_eq!(first.count(), 0);
}

#[test]
fn tie() {
    let _watchdog = support::watchdog();
    let (release, released) = channel::<()>();
    let source = condition_blocking(move || released.recv().is_ok());
    let mut run = pin!(Tally::new().ready_at(2).cancelable(source));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    release.send(()).unwrap();
    wakes.wait(1);
    assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
}

#[test]
fn runs_on_another_thread() {
    let _watchdog = support::watchdog();
    let (sender, receiver) = channel();
    block_on(condition_blocking(move || sender.send(thread::current().id()).is_ok()));
    assert_ne!(receiver.recv().unwrap(), thread::current().id());
}

#[test]
fn does_not_block_the_work() {
    let _watchdog = support::watchdog();
    let (release, released) = channel::<()>();
    let source = condition_blocking(move || released.recv().is_ok());
    // The work is polled while the check runs. The check ends only when the work allows it.
    let work = async {
        timeout(TICK * 5).await;
        release.send(()).unwrap();
        std::future::pending::<()>().await
    };
    let cancelled = block_on(work.cancelable(source)).unwrap_err();
    assert_eq!(cancelled.reason(), &Reason::condition("condition", 1));
}

#[test]
fn running_check_is_not_awaited() {
    let _watchdog = support::watchdog();
    let (release, released) = channel::<()>();
    let (began, has_begun) = channel();
    let (ended, has_ended) = channel();
    let source = condition_blocking(move || {
        began.send(()).unwrap();
        let _ = released.recv();
        ended.send(()).unwrap();
        true
    });
    let token = CancellationToken::new();
    let mut run = Box::pin(std::future::pending::<()>().cancelable(any_of((source, &token))));
    assert!(poll_once(run.as_mut()).is_pending());
    has_begun.recv().unwrap();
    token.cancel_with("enough");
    let start = Instant::now();
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Err(Cancelled::new("enough"))));
    drop(run);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // All of this happened while the check was still running.
    assert!(has_ended.try_recv().is_err());
    drop(release);
    has_ended.recv().unwrap();
}

#[test]
fn checks_do_not_pile_up() {
    let _watchdog = support::watchdog();
    let (release, released) = channel::<()>();
    let fact = Fact::new();
    let counter = fact.clone();
    let source = condition_blocking(move || {
        counter.ask();
        released.recv().is_ok()
    });
    let mut source = pin!(source.every(TICK));
    while fact.asked() == 0 {
        assert!(poll_once(source.as_mut()).is_pending());
    }
    block_on(timeout(TICK * 5));
    for _ in 0..100 {
        assert!(poll_once(source.as_mut()).is_pending());
    }
    assert_eq!(fact.asked(), 1);
    release.send(()).unwrap();
    assert_eq!(block_on(source), Reason::condition("condition", 1));
}

#[test]
fn pause_starts_after_the_check() {
    let _watchdog = support::watchdog();
    let half = Duration::from_millis(50);
    let (sender, receiver) = channel();
    let mut checks = 0;
    let slow = condition_blocking(move || {
        sender.send(Instant::now()).unwrap();
        thread::sleep(half);
        checks += 1;
        checks == 3
    });
    assert_eq!(block_on(slow.every(half)), Reason::condition("condition", 3));
    let starts: Vec<_> = receiver.iter().collect();
    for pair in starts.windows(2) {
        assert!(pair[1] - pair[0] >= half * 2, "{:?}", pair[1] - pair[0]);
    }
}

#[test]
fn panic_counts_as_false() {
    let _watchdog = support::watchdog();
    let heard = Heard::default();
    let source = condition_blocking(third_time_lucky()).every(TICK).on_panic(heard.hook());
    assert_eq!(block_on(source), Reason::condition("condition", 3));
    assert_eq!(heard.words(), ["no disk", "still no disk at check 2"]);
}

#[test]
fn panic_in_the_hook_is_ignored() {
    let _watchdog = support::watchdog();
    let source = condition_blocking(third_time_lucky());
    let source = source.every(TICK).on_panic(|_| panic!("the hook as well"));
    assert_eq!(block_on(source), Reason::condition("condition", 3));
}

/// Without containment, this panic would abort the process.
#[test]
fn g12_waker_panics_on_the_pool() {
    struct Hostile;

    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            panic!("a waker was woken");
        }
    }

    let _watchdog = support::watchdog();
    let (release, released) = channel::<()>();
    let mut source = pin!(condition_blocking(move || released.recv().is_ok()));
    let hostile = Waker::from(Arc::new(Hostile));
    assert!(source.as_mut().poll(&mut Context::from_waker(&hostile)).is_pending());
    release.send(()).unwrap();
    // The pool has woken it when it has dropped its clone.
    drop(hostile);
    assert_eq!(block_on(source), Reason::condition("condition", 1));
}
