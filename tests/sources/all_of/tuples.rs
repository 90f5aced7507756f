//! Tuples of every length, and of different types.

use super::*;

macro_rules! of {
    ($($count:literal: [$($place:tt)*];)*) => {
        #[test]
        fn of_every_length() {
            let _watchdog = support::watchdog();
            $({
                let numbers = (0..$count).map(|place: usize| place.to_string());
                let expected: Vec<_> = numbers.map(Reason::manual).collect();
                // The sources fire one after another, and each of them is the first in one turn.
                for start in 0..$count {
                    let tokens: [CancellationToken; $count] = Default::default();
                    let mut source = pin!(all_of(($(&tokens[$place],)*)));
                    let wakes = Wakes::new();
                    for (step, place) in (start..$count).chain(0..start).enumerate() {
                        assert!(wakes.poll(source.as_mut()).is_pending());
                        assert_eq!(Arc::strong_count(&wakes), 1 + $count - step);
                        tokens[place].cancel_with(place.to_string());
                    }
                    let reason = Reason::all(expected.clone());
                    assert_eq!(wakes.poll(source), Poll::Ready(reason));
                    assert_eq!(Arc::strong_count(&wakes), 1);
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
    let reason = block_on(all_of((
        timeout(SHORT),
        deadline(Instant::now()),
        condition(|| true).named("sync"),
        condition_async(|| async { true }).named("async"),
        std::future::ready(()).because(Reason::Disconnected),
        any_of((never(), &token)),
        async { Reason::Dropped },
        std::future::ready(Reason::manual("foreign")),
        token.clone(),
        &token,
        token.child_token(),
    )));
    let expected = [
        Reason::timeout(SHORT),
        Reason::timeout(Duration::ZERO),
        Reason::condition("sync", 1),
        Reason::condition("async", 1),
        Reason::Disconnected,
        Reason::manual("token"),
        Reason::Dropped,
        Reason::manual("foreign"),
        Reason::manual("token"),
        Reason::manual("token"),
        Reason::parent(Reason::manual("token")),
    ];
    assert_eq!(reason.leaves(), expected);
}
