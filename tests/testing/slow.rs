//! `slow_stream`.

use cancelable::prelude::*;
use cancelable::testing::{self, slow_stream};
use futures::StreamExt;

use super::{HOUR, ms};
use crate::support;

#[test]
fn pause_before_items() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut seen = Vec::new();
    time.block_on(async {
        let mut items = slow_stream(["a", "b", "c"], ms(10));
        while let Some(item) = items.next().await {
            seen.push((item, time.elapsed()));
        }
        assert_eq!(items.next().await, None);
    });
    assert_eq!(seen, [("a", ms(0)), ("b", ms(10)), ("c", ms(20))]);
    assert_eq!(time.elapsed(), ms(20), "none after the last");
}

#[test]
fn pause_starts_at_poll() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut items = slow_stream([1, 2], ms(10));
    assert_eq!(time.block_on(items.next()), Some(1));
    time.advance(HOUR);
    assert_eq!(time.block_on(items.next()), Some(2));
    assert_eq!(time.elapsed(), HOUR + ms(10));
}

#[test]
fn no_item_lost() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut items = slow_stream([1, 2], ms(10));
    assert_eq!(time.block_on(items.next()), Some(1));
    assert!(time.block_on(items.next().cancelable(timeout(ms(4)))).is_err());
    assert_eq!(time.block_on(items.next()), Some(2));
    assert_eq!(time.elapsed(), ms(10));
}
