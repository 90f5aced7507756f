//! The streams in which a `Network` delivers an input: a stream of chunks, and a stream of events.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;

use super::{Network, NetworkInput};
use crate::timer::Countdown;

/// An event of a simulated network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkEvent<C> {
    /// A chunk arrived.
    Chunk {
        /// The chunk.
        chunk: C,
        /// Where the chunk begins in the input, in bytes.
        position: usize,
        /// Whether the chunk came in a burst, without a delay.
        burst: bool,
    },
    /// The network stalls. The next chunk comes after the stall and its usual delay.
    Stall {
        /// How long the stall lasts.
        lasts: Duration,
    },
}

/// The stream that [`Network::events`] returns.
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct NetworkEvents<I> {
    network: Network,
    random: Random,
    input: I,
    /// How many bytes of the input have been delivered.
    position: usize,
    /// How many chunks of the current burst are left.
    burst_left: usize,
    /// The plan for the next chunk. `None` until that chunk is polled for.
    next: Option<Next>,
}

/// The size and the timing of the next chunk.
#[derive(Debug)]
struct Next {
    size: usize,
    burst: bool,
    /// A stall that has not been reported yet.
    stall: Option<Duration>,
    /// The time until the chunk arrives: the stall and the delay.
    pause: Duration,
    /// `None` until the pause is polled.
    pausing: Option<Countdown>,
}

impl<I: NetworkInput> NetworkEvents<I> {
    pub(super) fn new(network: Network, input: I) -> Self {
        let random = Random(network.seed);
        NetworkEvents { network, random, input, position: 0, burst_left: 0, next: None }
    }
}

impl<I> NetworkEvents<I> {
    /// Chooses the size and the timing of the next chunk. It takes the same number of random numbers for every chunk, so the
    /// sizes do not depend on the other settings.
    fn draw(&mut self) -> Next {
        let [size, jitters, jitter, bursts, stalls] =
            std::array::from_fn(|_| self.random.next_number());
        let Network { sizes, delay, .. } = &self.network;
        let size = sizes[(size % sizes.len() as u64) as usize];
        if self.burst_left > 0 {
            self.burst_left -= 1;
            return Next { size, burst: true, stall: None, pause: Duration::ZERO, pausing: None };
        }
        self.burst_left = self.network.bursts.draw(bursts).unwrap_or(0);
        let stall = self.network.stalls.draw(stalls);
        let delay = match self.network.jitter.draw(jitters) {
            Some(up_to) => {
                let by = fraction_of(up_to, (jitter >> 32) as u32);
                if jitter & 1 == 0 { delay.saturating_add(by) } else { delay.saturating_sub(by) }
            }
            None => *delay,
        };
        let pause = delay.saturating_add(stall.unwrap_or_default());
        Next { size, burst: false, stall, pause, pausing: None }
    }
}

impl<I: NetworkInput> Stream for NetworkEvents<I> {
    type Item = NetworkEvent<I::Chunk>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.position == this.input.length() {
            return Poll::Ready(None);
        }
        let mut next = this.next.take().unwrap_or_else(|| this.draw());
        if let Some(lasts) = next.stall.take() {
            this.next = Some(next);
            return Poll::Ready(Some(NetworkEvent::Stall { lasts }));
        }
        let Next { size, burst, pause, .. } = next;
        let pausing = next.pausing.get_or_insert_with(|| Countdown::lasting(pause));
        if pausing.poll("NetworkEvents", cx).is_pending() {
            this.next = Some(next);
            return Poll::Pending;
        }
        let position = this.position;
        this.position = this.input.end_of_chunk(position, size);
        let chunk = this.input.part(position, this.position);
        Poll::Ready(Some(NetworkEvent::Chunk { chunk, position, burst }))
    }
}

/// The stream that [`Network::stream`] returns.
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct NetworkStream<I> {
    events: NetworkEvents<I>,
}

impl<I> NetworkStream<I> {
    pub(super) fn new(events: NetworkEvents<I>) -> Self {
        NetworkStream { events }
    }
}

impl<I: NetworkInput> Stream for NetworkStream<I> {
    type Item = I::Chunk;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Chunk>> {
        loop {
            match ready!(Pin::new(&mut self.events).poll_next(cx)) {
                Some(NetworkEvent::Chunk { chunk, .. }) => return Poll::Ready(Some(chunk)),
                Some(NetworkEvent::Stall { .. }) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Returns `time * numerator / 2^32`.
fn fraction_of(time: Duration, numerator: u32) -> Duration {
    const NANOS: u128 = 1_000_000_000;
    // A duration has at most 94 bits of nanoseconds.
    let nanos = (time.as_nanos() * u128::from(numerator)) >> 32;
    Duration::new((nanos / NANOS) as u64, (nanos % NANOS) as u32)
}

/// A generator of random numbers, the same on every platform: a counter that takes long steps, with its bits mixed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next_number(&mut self) -> u64 {
        // The golden ratio, and the multipliers of the generator `SplitMix64`.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
