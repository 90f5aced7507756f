//! `slow_stream`.

use cancelable::prelude::*;
use cancelable::testing::{self, slow_stream};
use futures::StreamExt;

use super::{HOUR, ms};
use crate::support;

#[test]
fn there_is_a_pause_before_each_item_but_the_first() {
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
fn the_pause_begins_when_the_item_is_asked_for() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut items = slow_stream([1, 2], ms(10));
    assert_eq!(time.block_on(items.next()), Some(1));
    time.advance(HOUR);
    assert_eq!(time.block_on(items.next()), Some(2));
    assert_eq!(time.elapsed(), HOUR + ms(10));
}

#[test]
fn no_item_is_lost_where_nobody_waits_for_it_any_more() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut items = slow_stream([1, 2], ms(10));
    assert_eq!(time.block_on(items.next()), Some(1));
    assert!(time.block_on(items.next().cancelable(timeout(ms(4)))).is_err());
    assert_eq!(time.block_on(items.next()), Some(2));
    assert_eq!(time.elapsed(), ms(10));
}
