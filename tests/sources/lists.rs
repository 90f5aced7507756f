//! What `any_of` and `all_of` have in common.

/// Generates the function `tokens` and the tests that are the same for both. `$list` makes a list from two tokens.
macro_rules! common_tests {
    ($function:ident, |$first:ident, $second:ident| $list:expr) => {
        fn tokens() -> (CancellationToken, CancellationToken) {
            (CancellationToken::new(), CancellationToken::new())
        }

        #[test]
        fn changed_waker() {
            let _watchdog = support::watchdog();
            for fired in [0, 1] {
                let ($first, $second) = tokens();
                let mut source = pin!($function($list));
                let (old, last) = (Wakes::new(), Wakes::new());
                assert!(old.poll(source.as_mut()).is_pending());
                assert!(last.poll(source.as_mut()).is_pending());
                assert_eq!((Arc::strong_count(&old), Arc::strong_count(&last)), (1, 3));
                [&$first, &$second][fired].cancel();
                assert_eq!((old.count(), last.count()), (0, 1));
            }
        }

        #[test]
        fn drop_deregisters() {
            let _watchdog = support::watchdog();
            let ($first, $second) = tokens();
            let mut source = Box::pin($function($list));
            let wakes = Wakes::new();
            assert!(wakes.poll(source.as_mut()).is_pending());
            drop(source);
            assert_eq!(Arc::strong_count(&wakes), 1);
            $first.cancel();
            $second.cancel();
            assert_eq!(wakes.count(), 0);
        }

        #[test]
        fn never_polled_registers_nothing() {
            let _watchdog = support::watchdog();
            let ($first, $second) = tokens();
            let wakes = Wakes::new();
            let seen = std::future::poll_fn(|_| Poll::Ready(Arc::strong_count(&wakes)));
            let mut run = pin!(seen.cancelable($function($list)));
            assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(2)));
            assert_eq!(Arc::strong_count(&wakes), 1);
            assert!($first.cancel() && $second.cancel());
            assert_eq!(wakes.count(), 0);
        }
    };
}
pub(crate) use common_tests;
