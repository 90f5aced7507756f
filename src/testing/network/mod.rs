//! `Network`: delivers text or bytes as a network does, in chunks with delays, bursts and stalls.

mod events;
mod input;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use events::{NetworkEvent, NetworkEvents, NetworkStream};
pub use input::NetworkInput;

/// The maximum number of entries in a list of chunk sizes.
const MOST_SIZES: usize = 1 << 16;

/// Settings of a simulated network, which delivers text or bytes in chunks, with delays, jitter, bursts and stalls.
///
/// Use it to test code that reads from a network, such as a client that reads the answer of a language model word by word.
/// Does the code handle chunks of any size, a pause in the middle, and a cancellation at any point? The same seed and the
/// same settings give the same chunks at the same times.
///
/// | setting | default |
/// |---|---|
/// | [`chunk_sizes`](Self::chunk_sizes) | 1 |
/// | [`delay`](Self::delay) before each chunk | 50 ms |
/// | [`jitter`](Self::jitter): the delay is up to 20 ms shorter or longer | 30 % of the chunks |
/// | [`bursts`](Self::bursts): 3 chunks follow without a delay | 10 % of the chunks |
/// | [`stalls`](Self::stalls) of 500 ms | 5 % of the chunks |
///
/// Delays and stalls start when the next chunk is polled for. They are measured like a [`timeout`](crate::timeout()): in
/// virtual time if time is [paused](super::pause).
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::{self, Network};
/// use futures::StreamExt;
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let network = Network::seeded(7).chunk_sizes(1..=4).delay(ms(10)).stalls(0.0, ms(0));
///
/// let words = network.stream("Grüße aus dem Süden")?;
/// let text = testing::run(words.collect::<String>());
/// assert_eq!(text, "Grüße aus dem Süden");
///
/// // The limit cancels in the middle, and the reason arrives.
/// let words = network.stream("Grüße aus dem Süden")?.cancelable_stream(timeout(ms(25)));
/// let words: Vec<_> = testing::run(words.collect());
/// assert_eq!(words.last(), Some(&Err(Cancelled::new(Reason::timeout(ms(25))))));
/// # Ok::<(), testing::InvalidNetwork>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a network does nothing until it delivers an input"]
pub struct Network {
    seed: u64,
    sizes: Arc<[usize]>,
    delay: Duration,
    jitter: Chance<Duration>,
    bursts: Chance<usize>,
    stalls: Chance<Duration>,
}

/// Something that happens with a given probability.
#[derive(Clone, Copy, Debug)]
struct Chance<T> {
    probability: f64,
    what: T,
}

impl<T: Copy> Chance<T> {
    /// Uses the number `random` to decide whether `what` happens. Returns `what` if it does.
    fn draw(self, random: u64) -> Option<T> {
        // The upper 53 bits fit into an `f64` exactly, so the fraction is always less than 1. A probability of 0 means
        // never, and a probability of 1 means always.
        let fraction = (random >> 11) as f64 / (1_u64 << 53) as f64;
        (fraction < self.probability).then_some(self.what)
    }

    fn check(self, name: &str) -> Result<(), InvalidNetwork> {
        if (0.0..=1.0).contains(&self.probability) {
            return Ok(());
        }
        let given = self.probability;
        Err(InvalidNetwork(format!("the probability of {name} must be from 0 to 1, not {given}")))
    }
}

impl Network {
    /// Creates a network with the default settings. All random choices depend on `seed`.
    ///
    /// ```
    /// use cancelable::testing::{self, Network};
    /// use futures::StreamExt;
    ///
    /// let events = |seed| testing::run(Network::seeded(seed).events("hello").unwrap().collect::<Vec<_>>());
    /// assert_eq!(events(1), events(1));
    /// ```
    pub fn seeded(seed: u64) -> Self {
        let ms = Duration::from_millis;
        Network {
            seed,
            sizes: Arc::new([1]),
            delay: ms(50),
            jitter: Chance { probability: 0.3, what: ms(20) },
            bursts: Chance { probability: 0.1, what: 3 },
            stalls: Chance { probability: 0.05, what: ms(500) },
        }
    }

    /// Sets the sizes of chunks, in characters of text or in bytes. Each chunk has one of these sizes, all equally likely.
    /// To make a size more likely, list it several times. The last chunk may be shorter.
    ///
    /// With the same seed, the sizes do not depend on the other settings.
    ///
    /// ```
    /// use cancelable::testing::{self, Network};
    /// use futures::StreamExt;
    ///
    /// let network = Network::seeded(1).chunk_sizes([3]);
    /// let chunks: Vec<_> = testing::run(network.stream("añb→c").unwrap().collect());
    /// assert_eq!(chunks, ["añb", "→c"]);
    /// ```
    pub fn chunk_sizes(mut self, sizes: impl IntoIterator<Item = usize>) -> Self {
        // Takes one size more than allowed, so that `check` notices a list that is too long, even if the list is an endless
        // range.
        self.sizes = sizes.into_iter().take(MOST_SIZES + 1).collect();
        self
    }

    /// Sets the delay before each chunk.
    ///
    /// ```
    /// use cancelable::testing::{self, Network};
    /// use futures::StreamExt;
    /// use std::time::Duration;
    ///
    /// let delay = Duration::from_millis(10);
    /// let network = Network::seeded(1).delay(delay).jitter(0.0, delay).bursts(0.0, 1).stalls(0.0, delay);
    /// let time = testing::pause();
    /// time.block_on(network.stream("abc").unwrap().count());
    /// assert_eq!(time.elapsed(), delay * 3);
    /// ```
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Makes a delay shorter or longer with this probability, by a random time of at most `up_to`. A delay is never
    /// shorter than zero.
    ///
    /// ```
    /// use cancelable::testing::{self, Network};
    /// use futures::StreamExt;
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let network = Network::seeded(1).delay(ms(10)).jitter(1.0, ms(2)).stalls(0.0, ms(0));
    /// let time = testing::pause();
    /// time.block_on(network.stream("a").unwrap().count());
    /// assert!((ms(8)..=ms(12)).contains(&time.elapsed()));
    /// ```
    pub fn jitter(mut self, probability: f64, up_to: Duration) -> Self {
        self.jitter = Chance { probability, what: up_to };
        self
    }

    /// Starts a burst after a chunk, with this probability. The next `chunks` chunks then follow without a delay.
    ///
    /// ```
    /// use cancelable::testing::{self, Network, NetworkEvent};
    /// use futures::StreamExt;
    /// use std::time::Duration;
    ///
    /// let network = Network::seeded(1).bursts(1.0, 2).stalls(0.0, Duration::ZERO);
    /// let events: Vec<_> = testing::run(network.events("abcd").unwrap().collect());
    /// let burst = |event: &NetworkEvent<_>| matches!(event, NetworkEvent::Chunk { burst: true, .. });
    /// assert_eq!(events.iter().map(burst).collect::<Vec<_>>(), [false, true, true, false]);
    /// ```
    pub fn bursts(mut self, probability: f64, chunks: usize) -> Self {
        self.bursts = Chance { probability, what: chunks };
        self
    }

    /// Stalls for this long before a chunk, with this probability. The usual delay comes after the stall. There is no stall
    /// inside a burst.
    ///
    /// ```
    /// use cancelable::testing::{self, Network, NetworkEvent};
    /// use futures::StreamExt;
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let network = Network::seeded(1).stalls(1.0, second);
    /// let mut events = network.events("abc").unwrap();
    /// let first = testing::run(events.next());
    /// assert_eq!(first, Some(NetworkEvent::Stall { lasts: second }));
    /// ```
    pub fn stalls(mut self, probability: f64, lasts: Duration) -> Self {
        self.stalls = Chance { probability, what: lasts };
        self
    }

    /// Delivers an input as a stream of chunks. The chunks concatenate to the input, and text is never split inside a
    /// character.
    ///
    /// For code that reads bytes, turn the stream into a reader with
    /// `network.stream(bytes)?.map(Ok).into_async_read()` of the crate `futures`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future of [`next`](futures::StreamExt::next) loses no chunk, and the delay continues.
    ///
    /// # Errors
    ///
    /// [`InvalidNetwork`] if a probability is not from 0 to 1, a chunk size or the length of a burst is 0, or the list of
    /// chunk sizes is empty or has more than 65,536 entries.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::testing::{self, Network};
    /// use futures::{AsyncReadExt, StreamExt, TryStreamExt};
    ///
    /// let network = Network::seeded(1).chunk_sizes(1..=1000);
    /// let mut reader = network.stream(vec![7; 5000])?.map(Ok).into_async_read();
    /// let mut bytes = Vec::new();
    /// testing::run(reader.read_to_end(&mut bytes)).unwrap();
    /// assert_eq!(bytes, [7; 5000]);
    /// # Ok::<(), testing::InvalidNetwork>(())
    /// ```
    pub fn stream<I: NetworkInput>(&self, input: I) -> Result<NetworkStream<I>, InvalidNetwork> {
        Ok(NetworkStream::new(self.events(input)?))
    }

    /// Delivers an input like [`stream`](Self::stream), but yields events, which include the stalls.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`stream`](Self::stream).
    ///
    /// # Errors
    ///
    /// The same as for [`stream`](Self::stream).
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::testing::{self, Network, NetworkEvent};
    /// use futures::StreamExt;
    ///
    /// let mut events = Network::seeded(1).stalls(0.0, Default::default()).events("hi")?;
    /// let first = testing::run(events.next());
    /// assert_eq!(first, Some(NetworkEvent::Chunk { chunk: "h", position: 0, burst: false }));
    /// # Ok::<(), testing::InvalidNetwork>(())
    /// ```
    pub fn events<I: NetworkInput>(&self, input: I) -> Result<NetworkEvents<I>, InvalidNetwork> {
        self.check()?;
        Ok(NetworkEvents::new(self.clone(), input))
    }

    fn check(&self) -> Result<(), InvalidNetwork> {
        let refuse = |text: &str| Err(InvalidNetwork(text.to_owned()));
        match &*self.sizes {
            [] => return refuse("there must be at least one chunk size"),
            sizes if sizes.contains(&0) => return refuse("a chunk size must be at least 1, not 0"),
            sizes if sizes.len() > MOST_SIZES => {
                return refuse("there may be at most 65,536 chunk sizes");
            }
            _ => {}
        }
        if self.bursts.what == 0 {
            return refuse("a burst must have at least 1 chunk, not 0");
        }
        self.jitter.check("jitter")?;
        self.bursts.check("a burst")?;
        self.stalls.check("a stall")
    }
}

/// The error returned when the settings of a [`Network`] are out of range. Its text names the setting and the allowed
/// range.
///
/// ```
/// use cancelable::testing::Network;
/// use std::time::Duration;
///
/// let network = Network::seeded(1).jitter(1.5, Duration::ZERO);
/// let error = network.stream("text").unwrap_err();
/// assert_eq!(error.to_string(), "the probability of jitter must be from 0 to 1, not 1.5");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNetwork(String);

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidNetwork {}
