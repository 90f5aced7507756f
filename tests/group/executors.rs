//! Groups on every executor.

use std::future::pending;

use cancelable::TaskGroup;
use cancelable::prelude::*;
use smol::future::yield_now;

use crate::support;

/// Uses a group in every way for which it needs an executor.
async fn exercise(new: impl Fn() -> TaskGroup<'static, u64, String>) {
    let group = new().at_most(4);
    for number in 0..100 {
        group.spawn(async move {
            yield_now().await;
            number
        });
    }
    group.spawn_daemon(pending());
    assert_eq!(group.try_join().await, Ok((0..100).collect()));

    let scope = new().scope(never(), async |group| {
        let parts: Vec<_> = (0..10).map(|number| group.spawn(async move { number })).collect();
        let mut sum = 0;
        for part in parts {
            sum += part.await.unwrap();
        }
        sum
    });
    assert_eq!(scope.await, Ok(45));

    let group = new();
    (0..10).for_each(|_| drop(group.spawn(pending())));
    group.try_spawn(async {
        yield_now().await;
        Err("no disk".to_owned())
    });
    assert_eq!(group.try_join().await.unwrap_err().to_string(), "no disk");

    let token = CancellationToken::new();
    let (group, cancel) = (new(), token.clone());
    group.spawn(pending());
    group.spawn(async move {
        cancel.cancel_with("stop");
        pending().await
    });
    assert_eq!(group.join_within(&token).await, Err(Cancelled::new("stop")));

    // Members that wait for the results of the others, and for their own group.
    let group = new();
    let handle = group.handle();
    let member = handle.clone().spawn(async move {
        let spawn = |number| drop(handle.spawn(async move { number }));
        (1..=3).for_each(spawn);
        let mut sum = 0;
        while let Some(number) = handle.next().await {
            sum += number.unwrap();
        }
        (4..=6).for_each(spawn);
        sum + group.try_join().await.unwrap().into_iter().sum::<u64>()
    });
    assert_eq!(member.await, Ok(21));
}

#[test]
fn tokio_with_one_thread() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(exercise(|| {
        TaskGroup::fallible(|task| {
            tokio::spawn(task);
        })
    }));
}

#[test]
fn tokio_with_two_threads() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(exercise(|| {
        TaskGroup::fallible(|task| {
            tokio::spawn(task);
        })
    }));
}

#[test]
fn smol() {
    let _watchdog = support::watchdog();
    smol::block_on(exercise(|| TaskGroup::fallible(|task| smol::spawn(task).detach())));
}

#[test]
fn async_std() {
    let _watchdog = support::watchdog();
    async_std::task::block_on(exercise(|| {
        TaskGroup::fallible(|task| {
            async_std::task::spawn(task);
        })
    }));
}

#[test]
fn anything_that_implements_spawn() {
    use futures::executor::LocalPool;
    use futures::task::SpawnExt;
    use std::sync::Mutex;

    let _watchdog = support::watchdog();
    // The spawner of a `LocalPool` is not `Send`, so tasks go to it through a channel.
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Arc::new(Mutex::new(sender));
    let mut pool = LocalPool::new();
    let group = TaskGroup::new(move |task| sender.lock().unwrap().send(task).unwrap());
    group.spawn(async { 7 });
    let spawner = pool.spawner();
    receiver.try_iter().for_each(|task| spawner.spawn(task).unwrap());
    assert_eq!(pool.run_until(group.try_join()), Ok(vec![7]));
}
