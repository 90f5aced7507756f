//! Lists inside lists, a thousand levels deep.

use super::*;
use crate::support::on_a_stack_of;

const LEVELS: usize = 1000;

/// The stack that threads have by default.
const STACK: usize = 2 << 20;

/// Builds `LEVELS` lists around a token. Polls the outermost list, fires it and drops it. Then does the same, but
/// drops it while it is pending.
fn check(level: impl Fn(usize, BoxSource<'static>) -> BoxSource<'static> + Send + 'static) {
    on_a_stack_of(STACK, move || {
        let token = CancellationToken::new();
        let build = || {
            let bottom: BoxSource<'static> = Box::pin(token.clone().cancelled_owned());
            (0..LEVELS).fold(bottom, |source, number| level(number, source))
        };
        let wakes = Wakes::new();
        drop(build());
        let mut pending = build();
        assert!(wakes.poll(pending.as_mut()).is_pending());
        drop(pending);
        assert_eq!(Arc::strong_count(&wakes), 1);
        let mut run = Box::pin(std::future::pending::<()>().cancelable(build()));
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("deep");
        assert_eq!(wakes.count(), 1);
        let Poll::Ready(Err(cancelled)) = wakes.poll(run.as_mut()) else { panic!("pending") };
        assert_eq!(cancelled.reason().leaves()[0], Reason::manual("deep"));
        drop(run);
        // The token fires before the first poll.
        assert_eq!(block_on(build()).leaves()[0], Reason::manual("deep"));
    });
}

#[test]
fn of_tuples() {
    let _watchdog = support::watchdog();
    check(|_, source| Box::pin(any_of((source, never()))));
    check(|_, source| Box::pin(any_of((never(), source))));
}

#[test]
fn of_vecs() {
    let _watchdog = support::watchdog();
    check(|_, source| Box::pin(any_of(vec![source, Box::pin(never())])));
    check(|_, source| Box::pin(any_of(vec![Box::pin(never()), source])));
}

#[test]
fn of_arrays() {
    let _watchdog = support::watchdog();
    check(|_, source| Box::pin(any_of([source, Box::pin(never())])));
}

#[test]
fn alternating_with_all_of() {
    let _watchdog = support::watchdog();
    let fired = CancellationToken::new();
    fired.cancel_with("partner");
    check(move |number, source| match number % 4 {
        0 => Box::pin(any_of((source, never()))),
        1 => Box::pin(all_of((source, fired.clone()))),
        2 => Box::pin(any_of(vec![source, Box::pin(never())])),
        _ => Box::pin(all_of(vec![source, Box::pin(fired.clone().cancelled_owned())])),
    });
}

#[test]
fn in_place() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let four = |a, b, c, d| any_of((any_of((a, b)), any_of((c, d))));
    let mut source = pin!(any_of((
        four(never(), never(), never(), never()),
        any_of((timeout(LONG) | never(), never() | &token)),
    )));
    assert!(poll_once(source.as_mut()).is_pending());
    token.cancel_with("within");
    assert_eq!(poll_once(source), Poll::Ready(Reason::manual("within")));
}
