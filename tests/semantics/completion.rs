//! Guarantee 15: polling after completion panics with a message.

use std::future::{pending, ready};
use std::pin::{Pin, pin};

use cancelable::prelude::*;
use futures::future::FusedFuture;

use crate::support::{self, panic_of, poll_once};

/// Polls to completion, then twice more.
#[track_caller]
fn panics_when_polled_again<F: FusedFuture>(name: &str, future: F) {
    let mut future = pin!(future);
    assert!(!future.is_terminated(), "{name} is not done before it is");
    support::block_on(future.as_mut());
    assert!(future.is_terminated(), "{name} knows that it is done");
    for _ in 0..2 {
        let said = panic_of(|| poll_once(Pin::new(&mut future)).is_pending());
        assert_eq!(said, format!("`{name}` polled after completion"));
    }
}

fn cancelled() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}

#[test]
fn g15_race_polled_again_panics() {
    let _watchdog = support::watchdog();
    let token = cancelled();
    panics_when_polled_again("Cancelable", ready(7).cancelable(never()));
    panics_when_polled_again("Cancelable", pending::<()>().cancelable(&token));
    panics_when_polled_again("Cancelable", token.run_until_cancelled(pending::<()>()));

    let fine = async { Ok::<_, Cancelled>(7) };
    panics_when_polled_again("Cancelable", Box::pin(fine).try_cancelable(never()));
    let failed = async { Err::<(), _>(Cancelled::new("of its own")) };
    panics_when_polled_again("Cancelable", Box::pin(failed).try_cancelable(never()));
    let late = pending::<Result<(), Cancelled>>();
    panics_when_polled_again("Cancelable", late.try_cancelable(&token));
}

#[test]
fn g15_operation_polled_again_panics() {
    let _watchdog = support::watchdog();
    let token = cancelled();
    panics_when_polled_again("Cancelable", ready(7).cancelable(never()).named("run"));
    let cleaned = pending::<()>().cancelable(&token).finally(|_| async {});
    panics_when_polled_again("Cancelable", Box::pin(cleaned));
    let fine = Box::pin(async { Ok::<_, Cancelled>(7) });
    panics_when_polled_again("Cancelable", fine.try_cancelable(never()).named("run"));

    panics_when_polled_again("Shield", shield(ready(7)));
    let unpolled = async {}.cancelable(never());
    let operation = unpolled.operation();
    let call = operation.wrap(|()| ready(7));
    panics_when_polled_again("Cancelable", call(()));
    operation.cancel();
    panics_when_polled_again("Call", call(()));
}

#[test]
fn g15_source_polled_again_panics() {
    let _watchdog = support::watchdog();
    let token = cancelled();
    panics_when_polled_again("WaitForCancellation", token.cancelled());
    panics_when_polled_again("WaitForCancellationOwned", token.clone().cancelled_owned());
    panics_when_polled_again("Because", ready(7).because("seven"));

    // Also after it has been registered.
    let token = CancellationToken::new();
    let mut waiting = pin!(token.cancelled());
    assert!(poll_once(waiting.as_mut()).is_pending());
    token.cancel();
    panics_when_polled_again("WaitForCancellation", waiting);
}

#[test]
fn g15_list_polled_again_panics() {
    let _watchdog = support::watchdog();
    let token = cancelled();
    panics_when_polled_again("AnyOf", any_of((&token, never())));
    panics_when_polled_again("AnyOf", any_of([&token, &token]));
    panics_when_polled_again("AnyOf", any_of(vec![&token; 40]));
    panics_when_polled_again("AllOf", all_of((&token, &token)));
    panics_when_polled_again("AllOf", all_of([&token, &token]));
    panics_when_polled_again("AllOf", all_of(vec![&token; 40]));
    panics_when_polled_again("AnyOf", never() | all_of((&token,)));
}

#[cfg(feature = "time")]
#[test]
fn g15_timeout_polled_again_panics() {
    use std::time::{Duration, Instant};

    let _watchdog = support::watchdog();
    let soon = Duration::from_millis(2);
    panics_when_polled_again("Timeout", timeout(Duration::ZERO));
    panics_when_polled_again("Timeout", timeout(soon));
    panics_when_polled_again("Deadline", deadline(Instant::now()));
    panics_when_polled_again("Deadline", deadline(Instant::now() + soon));
    panics_when_polled_again("Condition", condition(|| true));
    panics_when_polled_again("Condition", Box::pin(condition_async(async || true)));
    let mut checks = 0;
    let counted = condition(|| {
        checks += 1;
        checks == 3
    });
    panics_when_polled_again("Condition", counted.every(soon));
}

#[cfg(feature = "blocking")]
#[test]
fn g15_blocking_condition_polled_again_panics() {
    let _watchdog = support::watchdog();
    panics_when_polled_again("Condition", condition_blocking(|| true));
}

#[cfg(all(unix, feature = "signal"))]
#[test]
fn g15_signal_polled_again_panics() {
    use rustix::process::{Signal as OsSignal, getpid, kill_process};

    let _watchdog = support::watchdog();
    let source = signal(Signal::Winch).unwrap();
    kill_process(getpid(), OsSignal::WINCH).unwrap();
    panics_when_polled_again("SignalSource", source);
}

#[test]
fn g15_never_may_be_polled_again() {
    let _watchdog = support::watchdog();
    let mut source = pin!(never());
    for _ in 0..3 {
        assert!(poll_once(source.as_mut()).is_pending());
    }
}
