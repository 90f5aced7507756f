//! Lists inside lists, a thousand levels deep.

use super::*;
use crate::support::on_a_stack_of;

const LEVELS: usize = 1000;

/// The stack that threads have by default.
const STACK: usize = 2 << 20;

/// Builds `LEVELS` lists around a token, each with a second source that has fired. Polls the outermost list,
/// fires it and drops it. Then does the same, but drops it while it is pending.
fn check<L>(level: L)
where
    L: Fn(BoxSource<'static>, CancellationToken) -> BoxSource<'static> + Send + 'static,
{
    on_a_stack_of(STACK, move || {
        let (token, fired) = (CancellationToken::new(), CancellationToken::new());
        fired.cancel_with("partner");
        let build = || {
            let bottom: BoxSource<'static> = Box::pin(token.clone().cancelled_owned());
            (0..LEVELS).fold(bottom, |source, _| level(source, fired.clone()))
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
        drop(run);
        // There is one reason for each level, and one for the token.
        let leaves = cancelled.reason().leaves();
        assert_eq!(leaves.len(), LEVELS + 1);
        let deep = leaves.iter().filter(|leaf| **leaf == Reason::manual("deep"));
        assert_eq!(deep.count(), 1);
        // The token fires before the first poll.
        assert_eq!(&block_on(build()), cancelled.reason());
    });
}

#[test]
fn of_tuples() {
    let _watchdog = support::watchdog();
    check(|source, fired| Box::pin(all_of((source, fired))));
    check(|source, fired| Box::pin(all_of((fired, source))));
}

#[test]
fn of_vecs() {
    let _watchdog = support::watchdog();
    check(|source, fired| Box::pin(all_of(vec![source, Box::pin(fired.cancelled_owned())])));
    check(|source, fired| Box::pin(all_of(vec![Box::pin(fired.cancelled_owned()), source])));
}

#[test]
fn of_arrays() {
    let _watchdog = support::watchdog();
    check(|source, fired| Box::pin(all_of([source, Box::pin(fired.cancelled_owned())])));
}
