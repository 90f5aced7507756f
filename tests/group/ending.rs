//! How a group ends: closed, cancelled, dropped, with daemons, after its time limit.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, Log, OnDrop, Wakes, poll_once};

#[test]
fn g18_no_member_after_the_end() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<u8, String>();
    let handle = group.handle();
    assert_eq!(poll_once(pin!(group.join())), Poll::Ready(Ok(vec![])));
    assert!(handle.is_closed());
    let refused = handle.spawn(async { unreachable!("it never starts") });
    let Poll::Ready(Err(error)) = poll_once(pin!(refused)) else { panic!("it was refused") };
    assert_eq!(error.to_string(), "cancelled: the group is closed");
    handle.spawn(async { 7 });
    assert_eq!((executor.spawned(), handle.take_results().len()), (0, 0));
}

#[test]
fn closed_group_lets_its_members_end() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, String>();
    group.spawn(async { 7 });
    group.close();
    group.spawn(async { 8 });
    executor.run();
    assert_eq!(poll_once(pin!(group.join())), Poll::Ready(Ok(vec![Ok(7)])));
}

#[test]
fn g18_member_may_add_members() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, String>();
    let handle = group.handle();
    group.spawn(async move {
        handle.spawn(async { "inner" });
        "outer"
    });
    let mut join = pin!(group.join());
    assert!(poll_once(join.as_mut()).is_pending());
    executor.run();
    assert_eq!(poll_once(join), Poll::Ready(Ok(vec![Ok("outer"), Ok("inner")])));
}

#[test]
fn g18_dropping_cancels_every_member() {
    let _watchdog = support::watchdog();
    for polled in [false, true] {
        let executor = ByHand::new();
        let group = executor.group::<(), String>();
        let operation = group.operation();
        let member = group.spawn(pending());
        executor.run();
        if polled {
            let mut join = Box::pin(group.join());
            assert!(poll_once(join.as_mut()).is_pending());
            drop(join);
            assert_eq!(operation.status(), Status::Cancelled);
        } else {
            drop(group);
        }
        assert_eq!(operation.reason(), Some(Reason::Dropped));
        executor.run();
        let Poll::Ready(Err(error)) = poll_once(pin!(member)) else { panic!("it has ended") };
        assert_eq!(error, Cancelled::new(Reason::parent(Reason::Dropped)).into());
        assert_eq!(executor.pending(), 0);
    }
}

#[test]
fn g18_cancelled_group_waits_for_its_members() {
    let _watchdog = support::watchdog();
    let (executor, wakes, log) = (ByHand::new(), Wakes::new(), Log::new());
    let (token, gate) = (CancellationToken::new(), Gate::new());
    let group = executor.group::<(), String>();
    let (hook, member) = (log.clone(), log.clone());
    let pass = gate.pass();
    group.spawn(async move {
        let _gone = OnDrop(|| member.note("member gone"));
        shield(pass).await;
        pending().await
    });
    executor.run();
    let join = group.join_within(&token).on_cancel(move |_, reason| hook.note(reason));
    let mut join = pin!(join);
    assert!(wakes.poll(join.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(wakes.poll(join.as_mut()).is_pending());
    executor.run();
    assert!(wakes.poll(join.as_mut()).is_pending(), "the section is not over");
    gate.open();
    executor.run_all();
    assert_eq!(wakes.poll(join.as_mut()), Poll::Ready(Err(Cancelled::new("stop"))));
    assert_eq!(log.take(), ["member gone", "cancelled: stop"]);
}

#[test]
fn g18_cancellation_counts_if_it_cut_a_member() {
    let _watchdog = support::watchdog();
    for cut in [false, true] {
        let executor = ByHand::new();
        let group = executor.group::<u8, String>();
        let operation = group.operation();
        let results = group.handle();
        group.spawn(async { 7 });
        if cut {
            group.spawn(pending());
        }
        let mut join = pin!(group.join());
        assert!(poll_once(join.as_mut()).is_pending());
        executor.run();
        operation.cancel_with("stop");
        // The members have ended before the group is polled again.
        executor.run();
        assert_eq!(executor.pending(), 0);
        if cut {
            assert_eq!(poll_once(join), Poll::Ready(Err(Cancelled::new("stop"))));
            assert_eq!(results.take_results()[0], Ok(7));
        } else {
            assert_eq!(poll_once(join), Poll::Ready(Ok(vec![Ok(7)])));
        }
    }
}

#[test]
fn g18_race_around_a_group_waits_for_its_members() {
    let _watchdog = support::watchdog();
    let (executor, token, gate) = (ByHand::new(), CancellationToken::new(), Gate::new());
    let group = executor.group::<(), String>();
    group.spawn(shield(gate.pass()));
    executor.run();
    let mut race = pin!(group.join().cancelable(&token));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(race.as_mut()).is_pending());
    gate.open();
    executor.run_all();
    assert!(matches!(poll_once(race), Poll::Ready(Err(_))));
}

#[test]
fn g18_daemons_stop_after_the_last_other_member() {
    let _watchdog = support::watchdog();
    let (executor, wakes, log, gate) = (ByHand::new(), Wakes::new(), Log::new(), Gate::new());
    let group = executor.group::<_, String>();
    let daemon = log.clone();
    group.spawn_daemon(async move {
        let _gone = OnDrop(|| daemon.note("daemon gone"));
        pending().await
    });
    group.spawn_daemon(async {});
    executor.run();
    assert_eq!(group.len(), 0);
    group.spawn(gate.pass());
    let mut join = pin!(group.join());
    assert!(wakes.poll(join.as_mut()).is_pending());
    executor.run();
    assert!(log.take().is_empty());
    gate.open();
    executor.run_all();
    assert_eq!(log.take(), ["daemon gone"]);
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(join), Poll::Ready(Ok(vec![Ok(())])));
    assert_eq!(executor.pending(), 0);
}

#[test]
fn daemon_ends_with_its_group() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>();
    group.spawn_daemon(pending());
    executor.run();
    drop(group);
    executor.run();
    assert_eq!(executor.pending(), 0);

    let group = executor.group::<(), String>();
    group.spawn_daemon(async { panic!("out of cheese") });
    group.spawn(pending());
    executor.run();
    assert_eq!(executor.pending(), 0);
    let Poll::Ready(Err(error)) = poll_once(pin!(group.try_join())) else { panic!("it failed") };
    assert_eq!(
        error.to_string(),
        "cancelled by an error: a task of the group failed: panicked: out of cheese"
    );
}

#[cfg(feature = "time")]
#[test]
fn g18_members_keep_the_deadline_if_nothing_polls_the_group() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(20);
    let group = cancelable::TaskGroup::<(), String>::fallible(|task| smol::spawn(task).detach());
    let members = group.handle();
    let mut join = Box::pin(group.scope(timeout(limit), |_| pending::<()>()));
    assert!(poll_once(join.as_mut()).is_pending());
    let error = support::block_on(members.spawn(pending())).unwrap_err();
    let reason = Reason::timeout(limit);
    assert_eq!(error, Cancelled::new(Reason::parent(reason.clone())).into());
    assert_eq!(support::block_on(join), Err(Cancelled::new(reason)));
}

#[cfg(feature = "time")]
#[test]
fn members_get_the_grace_of_the_group() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, String>().grace(Duration::from_secs(3600));
    group.spawn(async {
        let operation = Operation::current().unwrap();
        operation.cancelled().await;
        "saved"
    });
    executor.run();
    group.spawn(async { "never started" });
    group.operation().cancel_with("stop");
    executor.run();
    let results = group.handle();
    assert_eq!(poll_once(pin!(group.join())), Poll::Ready(Err(Cancelled::new("stop"))));
    let results: Vec<Result<_, cancelable::group::TaskError<String>>> = results.take_results();
    assert_eq!(results[0], Ok("saved"));
    assert!(results[1].as_ref().unwrap_err().is_cancelled());
}
