//! `Network`.

use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::{self, Network, NetworkEvent, NetworkInput, Wakes};
use futures::{AsyncReadExt, StreamExt, TryStreamExt};
use proptest::prelude::any;

use super::{HOUR, NANO, ms};
use crate::support;

/// Returns a network in which only the sizes are random.
fn calm(seed: u64) -> Network {
    Network::seeded(seed).jitter(0.0, ms(0)).bursts(0.0, 1).stalls(0.0, ms(0))
}

/// Returns the events, each with its time.
fn events<I: NetworkInput>(network: &Network, input: I) -> Vec<(Duration, NetworkEvent<I::Chunk>)> {
    let time = testing::pause();
    let mut events = network.events(input).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = time.block_on(events.next()) {
        seen.push((time.elapsed(), event));
    }
    seen
}

fn chunks<I: NetworkInput>(network: &Network, input: I) -> Vec<I::Chunk> {
    testing::run(network.stream(input).unwrap().collect())
}

#[test]
fn same_seed_same_events() {
    let _watchdog = support::watchdog();
    let text = "the quick brown fox jumps over the lazy dog";
    let network = |seed| Network::seeded(seed).chunk_sizes(1..=5);
    assert_eq!(events(&network(7), text), events(&network(7), text));
    let different =
        (0..20).filter(|seed| events(&network(*seed), text) != events(&network(7), text));
    assert_eq!(different.count(), 19);
}

#[test]
fn two_streams_of_one_network_are_equal() {
    let _watchdog = support::watchdog();
    let network = Network::seeded(3).chunk_sizes(1..=9);
    assert_eq!(chunks(&network, "once and again"), chunks(&network, "once and again"));
}

/// A later version must produce the same events from a seed, because tests of users depend on them.
#[test]
fn known_events() {
    let _watchdog = support::watchdog();
    let network = Network::seeded(1).chunk_sizes(1..=3).stalls(0.5, ms(100)).bursts(0.5, 1);
    let seen: Vec<_> = events(&network, "hello world")
        .into_iter()
        .map(|(at, event)| match event {
            NetworkEvent::Chunk { chunk, position, burst } => {
                format!("{} {chunk} {position} {burst}", at.as_millis())
            }
            NetworkEvent::Stall { lasts } => format!("{} {lasts:?}", at.as_millis()),
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(
        seen,
        [
            "0 100ms",
            "150 hel 0 false",
            "150 lo  3 true",
            "150 100ms",
            "300 w 6 false",
            "350 orl 7 false",
            "350 100ms",
            "490 d 10 false",
        ]
    );
}

#[test]
fn chunks_concatenate() {
    let _watchdog = support::watchdog();
    let inputs = (any::<String>(), any::<u64>(), 1..9_usize, 0.0..=1.0, 0.0..=1.0);
    support::check_random(100, inputs, |(text, seed, most, bursts, stalls)| {
        let network =
            Network::seeded(seed).chunk_sizes(1..=most).bursts(bursts, most).stalls(stalls, HOUR);
        let borrowed = chunks(&network, &*text);
        assert_eq!(borrowed.concat(), text);
        assert!(borrowed.iter().all(|chunk| (1..=most).contains(&chunk.chars().count())));
        assert_eq!(chunks(&network, text.clone()), borrowed);

        let bytes = chunks(&network, text.as_bytes());
        assert_eq!(bytes.concat(), text.as_bytes());
        assert!(bytes.iter().all(|chunk| (1..=most).contains(&chunk.len())));
        assert_eq!(chunks(&network, text.clone().into_bytes()), bytes);
    });
}

#[test]
fn positions_are_in_bytes() {
    let _watchdog = support::watchdog();
    let positions: Vec<_> = events(&calm(1).chunk_sizes([2]), "aß→💡b")
        .into_iter()
        .map(|(_, event)| match event {
            NetworkEvent::Chunk { chunk, position, .. } => (chunk, position),
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(positions, [("aß", 0), ("→💡", 3), ("b", 10)]);
}

#[test]
fn empty_input() {
    let _watchdog = support::watchdog();
    assert_eq!(events(&Network::seeded(1).stalls(1.0, HOUR), ""), []);
    assert_eq!(events(&Network::seeded(1).stalls(1.0, HOUR), &[][..] as &[u8]), []);
}

#[test]
fn nothing_after_the_end() {
    let _watchdog = support::watchdog();
    let mut stream = calm(1).stream("a").unwrap();
    let next =
        testing::run(async { [stream.next().await, stream.next().await, stream.next().await] });
    assert_eq!(next, [Some("a"), None, None]);
}

#[test]
fn a_size_listed_often_is_likely() {
    let _watchdog = support::watchdog();
    let network = calm(1).delay(ms(0)).chunk_sizes([1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    let text = "x".repeat(10_000);
    let chunks = chunks(&network, &*text);
    let long = chunks.iter().filter(|chunk| chunk.len() == 2).count();
    let share = long as f64 / chunks.len() as f64;
    assert!((0.05..0.15).contains(&share), "{share}");
}

#[test]
fn sizes_depend_on_the_seed_only() {
    let _watchdog = support::watchdog();
    let text = "x".repeat(200);
    let wild = Network::seeded(9).jitter(0.5, HOUR).bursts(0.3, 2).stalls(0.4, HOUR);
    let sizes = |network: Network| chunks(&network.chunk_sizes(1..=9), &*text);
    assert_eq!(sizes(wild), sizes(calm(9).delay(ms(0))));
}

#[test]
fn delay_before_each_chunk() {
    let _watchdog = support::watchdog();
    let times: Vec<_> =
        events(&calm(1).delay(ms(10)), "abc").into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [ms(10), ms(20), ms(30)]);
}

#[test]
fn jitter_is_bounded() {
    let _watchdog = support::watchdog();
    let text = "x".repeat(500);
    let delays = |network: &Network| {
        let times: Vec<_> = events(network, &*text).into_iter().map(|(at, _)| at).collect();
        let before = [Duration::ZERO].into_iter().chain(times.clone());
        times.iter().zip(before).map(|(at, before)| *at - before).collect::<Vec<_>>()
    };
    let always = delays(&calm(1).delay(ms(50)).jitter(1.0, ms(20)));
    assert!(always.iter().all(|delay| (ms(30)..=ms(70)).contains(delay)), "{always:?}");
    assert!(
        always.iter().any(|delay| *delay < ms(35)) && always.iter().any(|delay| *delay > ms(65))
    );

    let sometimes = delays(&calm(1).delay(ms(50)).jitter(0.3, ms(20)));
    let share = sometimes.iter().filter(|delay| **delay != ms(50)).count() as f64 / 500.0;
    assert!((0.2..0.4).contains(&share), "{share}");

    let long = delays(&calm(1).delay(ms(1)).jitter(1.0, ms(20)));
    assert!(long.contains(&Duration::ZERO) && long.iter().all(|delay| *delay <= ms(21)));
}

#[test]
fn burst_has_no_delay() {
    let _watchdog = support::watchdog();
    let seen: Vec<_> = events(&calm(1).delay(ms(10)).bursts(1.0, 3), "abcdef")
        .into_iter()
        .map(|(at, event)| match event {
            NetworkEvent::Chunk { burst, .. } => (at.as_millis(), burst),
            event => panic!("{event:?}"),
        })
        .collect();
    let burst = [(10, false), (10, true), (10, true), (10, true), (20, false), (20, true)];
    assert_eq!(seen, burst);
}

#[test]
fn stall_comes_first() {
    let _watchdog = support::watchdog();
    let seen = events(&calm(1).delay(ms(10)).stalls(1.0, ms(500)), "ab");
    let times: Vec<_> = seen
        .iter()
        .map(|(at, event)| (at.as_millis(), matches!(event, NetworkEvent::Stall { .. })))
        .collect();
    assert_eq!(times, [(0, true), (510, false), (510, true), (1020, false)]);
}

#[test]
fn delay_starts_at_poll() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut stream = calm(1).delay(ms(10)).stream("ab").unwrap();
    time.advance(HOUR);
    assert_eq!(time.block_on(stream.next()), Some("a"));
    assert_eq!(time.elapsed(), HOUR + ms(10));
}

#[test]
fn dropped_next_loses_no_chunk() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let network = calm(1).delay(ms(10)).stalls(1.0, ms(100));
    let mut stream = network.stream("ab").unwrap();
    assert!(time.block_on(stream.next().cancelable(timeout(ms(50)))).is_err());
    assert_eq!(time.block_on(stream.next()), Some("a"));
    assert_eq!(time.elapsed(), ms(110));
    assert_eq!(time.block_on(stream.next()), Some("b"));
}

#[test]
fn one_wake_for_each_chunk() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let wakes = Wakes::new();
    let mut stream = calm(1).delay(ms(10)).stream("ab").unwrap();
    assert!(wakes.poll(std::pin::pin!(stream.next())).is_pending());
    time.advance(ms(10) - NANO);
    assert_eq!(wakes.count(), 0);
    time.advance(NANO);
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(std::pin::pin!(stream.next())), std::task::Poll::Ready(Some("a")));
}

#[test]
fn cancellation_passes_its_cause() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let network = calm(1).delay(ms(10)).stalls(1.0, ms(100));
    let token = CancellationToken::new();
    let source = any_of((timeout(ms(250)), &token));
    let stream = network.stream("abc").unwrap().cancelable_stream(source).keep_last(9);
    let partial = stream.partial();
    let items: Vec<_> = time.block_on(stream.collect());
    let cancelled = Cancelled::new(Reason::timeout(ms(250)));
    assert_eq!(items, [Ok("a"), Ok("b"), Err(cancelled)]);
    assert_eq!(time.elapsed(), ms(250), "in the middle of a stall");
    assert_eq!(partial.items(), ["a", "b"]);

    token.cancel_with("key pressed");
    let mut stream = network.stream("abc").unwrap().cancelable_stream(&token);
    let first = time.block_on(stream.next());
    assert_eq!(first, Some(Err(Cancelled::new("key pressed"))));
}

#[test]
fn idle_timeout_during_a_stall() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let network = calm(1).delay(ms(10)).stalls(1.0, ms(100));
    let stream = network.stream("abc").unwrap().cancelable_stream(never()).idle_timeout(ms(50));
    let items: Vec<_> = time.block_on(stream.collect());
    assert_eq!(items, [Err(Cancelled::new(Reason::timeout(ms(50))))]);
}

#[test]
fn as_a_reader() {
    let _watchdog = support::watchdog();
    let input: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let stream = Network::seeded(4).chunk_sizes(1..=700).stream(&*input).unwrap();
    let mut reader = stream.map(Ok).into_async_read();
    let mut output = Vec::new();
    testing::run(reader.read_to_end(&mut output)).unwrap();
    assert_eq!(output, input);
}

#[test]
fn longest_times() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let max = Duration::MAX;
    for seed in 0..20 {
        let network = Network::seeded(seed).delay(max).jitter(1.0, max).stalls(1.0, max);
        let mut stream = network.stream("a").unwrap();
        let outcome = time.block_on(stream.next().cancelable(timeout(HOUR)));
        assert!(outcome.unwrap_err().is_timeout());
    }
}

#[track_caller]
fn refused(network: Network, text: &str) {
    assert_eq!(network.stream("text").unwrap_err().to_string(), text);
    assert_eq!(network.events("").unwrap_err().to_string(), text);
}

#[test]
fn out_of_range() {
    let _watchdog = support::watchdog();
    let new = || Network::seeded(1);
    refused(new().chunk_sizes([]), "there must be at least one chunk size");
    refused(new().chunk_sizes([1, 0]), "a chunk size must be at least 1, not 0");
    refused(new().chunk_sizes(1..), "there may be at most 65,536 chunk sizes");
    refused(new().bursts(0.1, 0), "a burst must have at least 1 chunk, not 0");
    for (probability, text) in
        [(-0.1, "-0.1"), (1.1, "1.1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")]
    {
        let must = |name| format!("the probability of {name} must be from 0 to 1, not {text}");
        refused(new().jitter(probability, ms(1)), &must("jitter"));
        refused(new().bursts(probability, 1), &must("a burst"));
        refused(new().stalls(probability, ms(1)), &must("a stall"));
    }
}

#[test]
fn in_range() {
    let _watchdog = support::watchdog();
    let network =
        Network::seeded(1).chunk_sizes(1..=65_536).bursts(1.0, usize::MAX).jitter(0.0, HOUR);
    assert!(network.stream("text").is_ok());
    assert_eq!(chunks(&network.chunk_sizes([usize::MAX]), "text"), ["text"]);
}
