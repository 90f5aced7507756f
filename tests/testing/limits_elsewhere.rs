//! Limits of streams and registries use the virtual clock.

use std::future::pending;
use std::pin::pin;

use cancelable::prelude::*;
use cancelable::registry::{Filter, Phase};
use cancelable::testing::{self, Recorder, Wakes, slow_stream};
use futures::{StreamExt, future, stream};

use super::{HOUR, NANO, ms};
use crate::support::{self, poll_once};

#[test]
fn stream_idle_timeout() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let limit = ms(10);
    // Only the third pause exceeds the limit.
    let pauses = stream::iter([ms(9), limit, limit + NANO, ms(1)]).then(|pause| async move {
        timeout(pause).await;
        pause
    });
    let items: Vec<_> =
        time.block_on(Box::pin(pauses).cancelable_stream(never()).idle_timeout(limit).collect());
    let idle = Cancelled::new(Reason::timeout(limit));
    assert_eq!(items, [Ok(ms(9)), Ok(limit), Err(idle)]);
    assert_eq!(time.elapsed(), ms(9) + limit + limit);
}

#[test]
fn stream_grace() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let items = slow_stream(1.., ms(10)).cancelable_stream(timeout(ms(35)));
    assert_eq!(time.block_on(items.filter_map(|item| future::ready(item.ok())).count()), 4);
    assert_eq!(time.elapsed(), ms(35));

    // Cancelled after 35 ms, with a grace period until 60 ms.
    let items = slow_stream(1.., ms(10)).cancelable_stream(timeout(ms(35))).grace(ms(25));
    let operation = items.operation();
    time.block_on(items.for_each(|_| future::ready(())));
    assert_eq!((time.elapsed(), operation.elapsed()), (ms(95), ms(60)));
}

#[test]
fn shutdown() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let registry = Registry::new();
    let stuck = async {
        shield(timeout(HOUR)).await;
    };
    let mut stuck = pin!(stuck.cancelable(never()).named("stuck").registered_in(&registry));
    let asked = async |operation: Operation| {
        operation.cancelled().await;
        timeout(ms(7)).await;
    };
    let saves = scope(never(), asked).grace(ms(10)).named("saves").registered_in(&registry);
    let mut saves = pin!(saves);
    assert!(poll_once(stuck.as_mut()).is_pending());
    assert!(poll_once(saves.as_mut()).is_pending());
    time.advance(ms(3));

    let shutdown = registry.shutdown(ms(0)).grace(ms(20));
    let all = async {
        futures::join!(
            shutdown,
            saves,
            future::poll_fn(|cx| {
                let _ = stuck.as_mut().poll(cx);
                std::task::Poll::Ready(())
            })
        )
        .0
    };
    let report = time.block_on(all);
    assert_eq!(time.elapsed(), ms(3 + 20));
    assert_eq!((report.took, report.stopped.len(), report.remaining.len()), (ms(20), 1, 1));
    let record = &report.stopped[0].snapshot;
    assert_eq!((record.name.as_deref(), record.elapsed), (Some("saves"), ms(10)));
    assert!(matches!(report.remaining[0].phase, Phase::Shield { .. }), "{report}");
}

#[test]
fn registry_times() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let registry = Registry::new();
    let mut run = pin!(pending::<()>().cancelable(timeout(HOUR)).registered_in(&registry));
    assert!(Wakes::new().poll(run.as_mut()).is_pending());
    time.advance(ms(1500));
    assert_eq!(registry.list()[0].elapsed, ms(1500));
    time.advance(HOUR);
    assert!(poll_once(run).is_ready());
    assert_eq!(registry.history(Filter::all())[0].snapshot.elapsed, HOUR + ms(1500));
}

#[test]
fn stream_recorded() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let events = Recorder::new();
    let items = slow_stream(1.., ms(10)).cancelable_stream(timeout(ms(25)));
    events.attach(&items.operation());
    assert_eq!(time.block_on(items.count()), 4, "three items, and the error");
    events.assert_timed([(ms(0), "started"), (ms(25), "cancelled: timed out after 25ms")]);
}
