//! Tuples of every length, and of different types.

use super::*;

/// Fires the source at each position in turn, and all of them together.
macro_rules! of {
    ($($count:literal: [$($place:tt)*];)*) => {
        #[test]
        fn of_every_length() {
            let _watchdog = support::watchdog();
            $({
                for fired in 0..$count {
                    let tokens: [CancellationToken; $count] = Default::default();
                    let mut source = pin!(any_of(($(&tokens[$place],)*)));
                    let wakes = Wakes::new();
                    assert!(wakes.poll(source.as_mut()).is_pending());
                    assert_eq!(Arc::strong_count(&wakes), 1 + $count);
                    tokens[fired].cancel_with(fired.to_string());
                    let reason = Reason::manual(fired.to_string());
                    assert_eq!(wakes.poll(source), Poll::Ready(reason));
                    assert_eq!(Arc::strong_count(&wakes), 1);
                    // The order in the list counts, not the order in which they fired.
                    for place in (0..fired).rev() {
                        tokens[place].cancel_with(place.to_string());
                        let first = block_on(any_of(($(&tokens[$place],)*)));
                        assert_eq!(first, Reason::manual(place.to_string()));
                    }
                }
            })*
        }
    };
}

of! {
    1: [0];
    2: [0 1];
    3: [0 1 2];
    4: [0 1 2 3];
    5: [0 1 2 3 4];
    6: [0 1 2 3 4 5];
    7: [0 1 2 3 4 5 6];
    8: [0 1 2 3 4 5 6 7];
    9: [0 1 2 3 4 5 6 7 8];
    10: [0 1 2 3 4 5 6 7 8 9];
    11: [0 1 2 3 4 5 6 7 8 9 10];
    12: [0 1 2 3 4 5 6 7 8 9 10 11];
}

#[test]
fn of_different_types() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("token");
    let (_sender, receiver) = futures::channel::oneshot::channel::<()>();
    let mut never_true = pin!(any_of((
        never(),
        timeout(LONG),
        deadline(Instant::now() + LONG),
        condition(|| false),
        condition_async(|| async { false }),
        receiver.because("hung up"),
        any_of([never(), never()]),
        all_of((token.clone(), never())),
        async { std::future::pending().await },
        std::future::pending(),
        CancellationToken::new(),
        &token,
    )));
    assert_eq!(poll_once(never_true.as_mut()), Poll::Ready(Reason::manual("token")));
}

#[test]
fn of_foreign_futures() {
    let _watchdog = support::watchdog();
    async fn mine() -> Reason {
        futures::pending!();
        Reason::Disconnected
    }
    let mut source = pin!(any_of((
        std::future::pending::<Reason>(),
        mine(),
        futures::future::ready(7).map(|_| Reason::manual("seven")),
    )));
    // The reason comes from the first of the ready sources in the list.
    assert_eq!(poll_once(source.as_mut()), Poll::Ready(Reason::manual("seven")));
    let mut source = pin!(any_of((mine(), std::future::pending::<Reason>())));
    assert!(poll_once(source.as_mut()).is_pending());
    assert_eq!(poll_once(source), Poll::Ready(Reason::Disconnected));
}
