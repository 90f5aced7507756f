//! Guarantee 6: `any_of` and `all_of`.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use cancelable::prelude::*;
use cancelable::source::{BoxSource, Never};

use crate::support::{self, Strict, Switch, Tally, Wakes, lost, poll_once, won};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn named(name: &str) -> Reason {
    Reason::from(name.to_owned())
}

fn three(switches: &[Arc<Switch>]) -> [Strict; 3] {
    [0, 1, 2].map(|i| switches[i].source(NAMES[i]))
}

/// Puts three sources into each kind of list, and composes each list.
macro_rules! of_three {
    ($compose:ident) => {{
        let kinds: [Compose; 6] = [
            |switches| {
                let [a, b, c] = three(switches);
                Box::pin($compose((a, b, c)))
            },
            |switches| Box::pin($compose(three(switches))),
            |switches| Box::pin($compose(Vec::from(three(switches)))),
            |switches| Box::pin($compose(Box::new(three(switches)) as Box<[Strict]>)),
            |switches| {
                let [a, b, c] = three(switches);
                Box::pin($compose(($compose((a, b)), c)))
            },
            |switches| {
                let [a, b, c] = three(switches);
                Box::pin($compose([Box::pin(a) as BoxSource<'static>, Box::pin($compose([b, c]))]))
            },
        ];
        kinds
    }};
}

type Compose = fn(&[Arc<Switch>]) -> BoxSource<'static>;

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

#[test]
fn g06_any_of_reports_the_first_listed() {
    let _watchdog = support::watchdog();
    for (kind, compose) in of_three!(any_of).into_iter().enumerate() {
        // Every set of ready sources, except the empty one.
        for ready in 1..8usize {
            let switches = Switch::many(3);
            let mut source = compose(&switches);
            assert!(poll_once(source.as_mut()).is_pending());
            // The order in which the sources fire makes no difference. Only their order in the list counts.
            for i in [2, 1, 0] {
                if ready & (1 << i) != 0 {
                    switches[i].turn_on();
                }
            }
            let first = NAMES[ready.trailing_zeros() as usize];
            assert_eq!(poll_once(source.as_mut()), Poll::Ready(named(first)), "kind {kind}");
        }
    }
}

#[test]
fn g06_any_of_wakes_for_each() {
    let _watchdog = support::watchdog();
    for compose in of_three!(any_of) {
        for i in 0..3 {
            let switches = Switch::many(3);
            let mut source = compose(&switches);
            let wakes = Wakes::new();
            assert!(wakes.poll(source.as_mut()).is_pending());
            switches[i].turn_on();
            assert_eq!(wakes.count(), 1);
            assert_eq!(wakes.poll(source.as_mut()), Poll::Ready(named(NAMES[i])));
        }
    }
}

#[test]
fn g06_any_of_drops_the_others() {
    let _watchdog = support::watchdog();
    for compose in of_three!(any_of) {
        let switches = Switch::many(3);
        let mut source = compose(&switches);
        assert!(poll_once(source.as_mut()).is_pending());
        switches[1].turn_on();
        assert!(poll_once(source.as_mut()).is_ready());
        let polls: Vec<_> = switches.iter().map(|switch| switch.polls()).collect();
        assert!(switches.iter().all(|switch| switch.drops() == 1));
        drop(source);
        assert!(switches.iter().all(|switch| switch.drops() == 1), "each exactly once");
        assert_eq!(polls, switches.iter().map(|switch| switch.polls()).collect::<Vec<_>>());
    }
}

#[test]
fn g06_all_of_remembers_each() {
    let _watchdog = support::watchdog();
    let all = Reason::all(NAMES.map(named));
    for (kind, compose) in of_three!(all_of).into_iter().enumerate() {
        for order in ORDERS {
            let switches = Switch::many(3);
            let mut source = compose(&switches);
            let wakes = Wakes::new();
            assert!(wakes.poll(source.as_mut()).is_pending());
            for (fired, i) in order.into_iter().enumerate() {
                switches[i].turn_on();
                assert!(wakes.count() > fired, "kind {kind}: woken for each");
                let polled = wakes.poll(source.as_mut());
                if fired < 2 {
                    // An additional poll: a source that is polled after it has fired would panic.
                    assert!(polled.is_pending(), "kind {kind}, {order:?}");
                    assert!(wakes.poll(source.as_mut()).is_pending());
                } else {
                    assert_eq!(polled, Poll::Ready(all.clone()), "kind {kind}, {order:?}");
                }
            }
            drop(source);
            assert!(switches.iter().all(|switch| switch.drops() == 1), "each exactly once");
        }
    }
}

#[test]
fn g06_all_of_fires_at_once() {
    let _watchdog = support::watchdog();
    let all = Reason::all(NAMES.map(named));
    for compose in of_three!(all_of) {
        let switches = Switch::many(3);
        let mut source = compose(&switches);
        switches.iter().for_each(|switch| switch.turn_on());
        assert_eq!(poll_once(source.as_mut()), Poll::Ready(all.clone()));
    }
}

#[test]
fn g06_long_lists() {
    const LONG: usize = 100;
    let _watchdog = support::watchdog();
    let sources = |switches: &[Arc<Switch>]| -> Vec<Strict> {
        switches.iter().enumerate().map(|(i, switch)| switch.source(i.to_string())).collect()
    };

    let switches = Switch::many(LONG);
    let mut any = pin!(any_of(sources(&switches)));
    assert!(poll_once(any.as_mut()).is_pending());
    switches[70].turn_on();
    switches[60].turn_on();
    assert_eq!(poll_once(any.as_mut()), Poll::Ready(named("60")));

    let switches = Switch::many(LONG);
    let mut all = pin!(all_of(sources(&switches)));
    let wakes = Wakes::new();
    for switch in switches.iter().rev() {
        assert!(wakes.poll(all.as_mut()).is_pending());
        assert!(wakes.poll(all.as_mut()).is_pending());
        let woken = wakes.count();
        switch.turn_on();
        assert!(wakes.count() > woken);
    }
    let in_order = Reason::all((0..LONG).map(|i| named(&i.to_string())));
    assert_eq!(wakes.poll(all.as_mut()), Poll::Ready(in_order));
    assert!(switches.iter().all(|switch| switch.drops() == 1));
}

#[test]
fn g06_empty_lists_never_fire() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let sources: [BoxSource<'_>; 8] = [
        Box::pin(any_of([] as [Never; 0])),
        Box::pin(any_of(Vec::<Never>::new())),
        Box::pin(any_of(Box::<[Never]>::default())),
        Box::pin(all_of([] as [Never; 0])),
        Box::pin(all_of(Vec::<Never>::new())),
        Box::pin(all_of(Box::<[Never]>::default())),
        Box::pin(any_of((any_of([] as [Never; 0]), all_of([] as [Never; 0])))),
        Box::pin(all_of((all_of([] as [Never; 0]), any_of([] as [Never; 0])))),
    ];
    for source in sources {
        let mut race = pin!(Tally::new().ready_at(4).cancelable(source));
        for _ in 0..3 {
            assert!(wakes.poll(race.as_mut()).is_pending());
        }
        assert_eq!(won(wakes.poll(race.as_mut())), 4);
    }
    // With an empty part, AND never fires, and OR depends on the other part alone.
    let token = CancellationToken::new();
    token.cancel_with("x");
    let nothing = || any_of([] as [Never; 0]);
    assert!(wakes.poll(pin!(all_of((&token, nothing())))).is_pending());
    assert_eq!(wakes.poll(pin!(any_of((nothing(), &token)))), Poll::Ready(named("x")));
    assert_eq!(wakes.count(), 0);
}

#[test]
fn g06_deep_nesting() {
    let _watchdog = support::watchdog();
    let switches = Switch::many(4);
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| switches[i].source(["a", "b", "c", "d"][i]));
    // (a AND (b OR c)) AND d
    let mut source = pin!(all_of((all_of((a, any_of((b, c)))), d)));
    assert!(poll_once(source.as_mut()).is_pending());
    switches[2].turn_on();
    assert!(poll_once(source.as_mut()).is_pending());
    switches[1].turn_on();
    switches[3].turn_on();
    assert!(poll_once(source.as_mut()).is_pending());
    switches[0].turn_on();
    // One flat list, in the order in which the sources are written.
    let reasons = Reason::all(["a", "c", "d"].map(named));
    assert_eq!(poll_once(source.as_mut()), Poll::Ready(reasons));

    let token = CancellationToken::new();
    let mut source: BoxSource<'_> = Box::pin(token.cancelled());
    for level in 0..300 {
        source = match level % 3 {
            0 => Box::pin(any_of([source])),
            1 => Box::pin(all_of((source,))),
            _ => Box::pin(any_of((never(), source))),
        };
    }
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    token.cancel_with("deep");
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(source.as_mut()), Poll::Ready(Reason::all([named("deep")])));
}

#[test]
fn g06_operators() {
    let _watchdog = support::watchdog();
    let (a, b) = (CancellationToken::new(), CancellationToken::new());
    b.cancel_with("b");
    assert_eq!(poll_once(pin!(&a | &b)), Poll::Ready(named("b")));
    let mut both = pin!(&a & &b);
    assert!(poll_once(both.as_mut()).is_pending());
    a.cancel_with("a");
    assert_eq!(poll_once(both.as_mut()), Poll::Ready(Reason::all(["a", "b"].map(named))));
    assert_eq!(poll_once(pin!(&a | &b)), Poll::Ready(named("a")));
}

#[test]
fn g06_tuples_of_every_length() {
    let _watchdog = support::watchdog();
    let on = CancellationToken::new();
    on.cancel_with("on");
    let off = never;
    macro_rules! check {
        ($($before:ident)*) => {
            let any = any_of(($($before(),)* &on,));
            assert_eq!(poll_once(pin!(any)), Poll::Ready(named("on")));
            let count = [$(stringify!($before),)* "on"].len();
            let all = all_of(($({ let _ = $before; &on },)* &on,));
            let reasons = Reason::all((0..count).map(|_| named("on")));
            assert_eq!(poll_once(pin!(all)), Poll::Ready(reasons));
        };
    }
    check!();
    check!(off);
    check!(off off);
    check!(off off off);
    check!(off off off off);
    check!(off off off off off);
    check!(off off off off off off);
    check!(off off off off off off off);
    check!(off off off off off off off off);
    check!(off off off off off off off off off);
    check!(off off off off off off off off off off);
    check!(off off off off off off off off off off off);
}

#[test]
fn g06_fired_source_is_not_polled_again() {
    let _watchdog = support::watchdog();
    // A `Strict` source panics if it is polled after it has fired. Here, single sources have fired while the list still
    // waits for others.
    for compose in of_three!(all_of) {
        let switches = Switch::many(3);
        let mut race = pin!(Tally::new().ready_at(0).cancelable(compose(&switches)));
        for switch in &switches {
            for _ in 0..3 {
                assert!(poll_once(race.as_mut()).is_pending());
            }
            switch.turn_on();
        }
        assert_eq!(lost(poll_once(race.as_mut())), Reason::all(NAMES.map(named)));
    }
    // The source fires during the first poll of the work. The work then gets its last poll.
    let switch = Switch::new();
    let remote = switch.clone();
    let worker = crate::support::work(|poll| {
        remote.turn_on();
        if poll == 2 { Poll::Ready(2) } else { Poll::Pending }
    });
    assert_eq!(won(poll_once(pin!(worker.cancelable(switch.source("once"))))), 2);
    assert_eq!(switch.polls(), 2, "asked, then registered");
}
