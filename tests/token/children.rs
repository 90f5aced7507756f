//! `child_token`: cancellation reaches all descendants, and dropped children leave nothing behind.

use super::*;

#[test]
fn cancelled_with_parent() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let grandchild = child.child_token();
    let mut wait = pin!(grandchild.cancelled());
    let wakes = Wakes::new();
    assert!(wakes.poll(wait.as_mut()).is_pending());
    assert!(parent.cancel_with("closing"));
    let expected = Reason::parent(Reason::manual("closing"));
    assert_eq!(child.reason(), Some(expected.clone()));
    // At any depth, the `root` of the reason is the reason of the token at the top.
    assert_eq!(grandchild.reason(), Some(expected.clone()));
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll_once(wait), Poll::Ready(expected));
}

#[test]
fn cancel_alone() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let (child, sibling) = (parent.child_token(), parent.child_token());
    assert!(child.cancel_with("mine"));
    assert!(!parent.is_cancelled() && !sibling.is_cancelled());
    parent.cancel();
    // The first reason stays.
    assert_eq!(child.reason(), Some(Reason::manual("mine")));
    assert!(sibling.is_cancelled());
}

#[test]
fn of_cancelled_parent() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    parent.cancel_with("closed");
    let child = parent.child_token();
    assert_eq!(child.reason(), Some(Reason::parent(Reason::manual("closed"))));
    assert!(!child.cancel());
}

#[test]
fn keep_parent_alive() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let middle = parent.child_token();
    let child = middle.child_token();
    // The token in between has no handle, and still passes the cancellation on.
    drop(middle);
    parent.cancel_with("closing");
    assert_eq!(child.reason(), Some(Reason::parent(Reason::manual("closing"))));
}

#[test]
fn dropped_child() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let ran = Arc::new(AtomicBool::new(false));
    let flag = ran.clone();
    child.on_cancel(move |_| flag.store(true, Ordering::SeqCst)).detach();
    drop(child);
    // Its callback was dropped with it, before the parent is cancelled.
    assert_eq!(Arc::strong_count(&ran), 1);
    parent.cancel();
    assert!(!ran.load(Ordering::SeqCst));
}

#[test]
fn created_during_cancel() {
    let _watchdog = support::watchdog();
    const ROUNDS: usize = 5_000;
    let parents: Vec<_> = (0..ROUNDS).map(|_| CancellationToken::new()).collect();
    let start = Barrier::new(2);
    let children: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            for parent in &parents {
                start.wait();
                parent.cancel();
            }
        });
        let child_of = |parent: &CancellationToken| {
            start.wait();
            parent.child_token()
        };
        parents.iter().map(child_of).collect()
    });
    assert!(children.iter().all(CancellationToken::is_cancelled));
}

#[test]
fn chain_of_100_000() {
    let _watchdog = support::watchdog();
    let small = thread::Builder::new().stack_size(256 << 10);
    let thread = small.spawn(|| {
        let top = CancellationToken::new();
        let chain = |length| (0..length).fold(top.clone(), |above, _| above.child_token());
        drop(chain(100_000));
        let bottom = chain(100_000);
        top.cancel_with("closing");
        assert_eq!(bottom.reason(), Some(Reason::parent(Reason::manual("closing"))));
        drop(bottom);
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn g11_drop_chains_on_a_small_stack() {
    let _watchdog = support::watchdog();
    let chain = |listened_to: bool| {
        let top = CancellationToken::new();
        let mut last = top.child_token();
        let mut all = Vec::new();
        for number in 0..100_000 {
            last = match number % 2 {
                0 => last.child_token(),
                _ => CancellationToken::linked([&last, &top]),
            };
            if listened_to {
                all.push(last.clone());
            }
        }
        let heard = Arc::new(AtomicUsize::new(0));
        let count = heard.clone();
        last.on_cancel(move |_| _ = count.fetch_add(1, Ordering::Relaxed)).detach();
        top.cancel();
        assert!(last.is_cancelled());
        drop((last, all));
        assert_eq!(heard.load(Ordering::Relaxed), 1);
    };
    let small = thread::Builder::new().stack_size(128 * 1024);
    let ended = small.spawn(move || [false, true].map(chain)).unwrap().join();
    assert!(ended.is_ok());
}

#[test]
fn waiters_are_woken_once() {
    let _watchdog = support::watchdog();
    // For each child, the number of its waiters, and a bit for each waiter that is dropped.
    for waiting in 0..5 {
        for goes in 0..1_usize << waiting {
            let parent = CancellationToken::new();
            let children = [(); 3].map(|()| parent.child_token());
            let wakes = Wakes::new();
            let mut stay = Vec::new();
            for child in &children {
                let mut all: Vec<_> = (0..waiting).map(|_| Box::pin(child.cancelled())).collect();
                all.iter_mut().for_each(|one| assert!(wakes.poll(one.as_mut()).is_pending()));
                let all = all.into_iter().enumerate();
                stay.extend(all.filter(|(bit, _)| goes >> bit & 1 == 0));
            }
            assert!(parent.cancel());
            assert_eq!(wakes.count(), stay.len(), "{waiting} wait, {goes:b} go");
            assert!(stay.iter_mut().all(|(_, one)| poll_once(one.as_mut()).is_ready()));
            assert_eq!(Arc::strong_count(&wakes), 1);
        }
    }
}
