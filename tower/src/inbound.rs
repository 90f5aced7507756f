//! `Inbound`: the time limits that requests bring with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;

use crate::format::Format;

/// Reads the time limit that a request brings in a header.
///
/// The value is a duration that counts from the arrival of the request at the layer, so the clocks of two machines are never
/// compared. It can shorten the [limit](crate::OperationLayer::limit) of the layer, but never lengthen it. If the header
/// occurs more than once, the shortest valid value counts. A malformed value is ignored and [counted](Inbound::malformed).
///
/// Use it only behind an edge that you trust. At an edge that faces the public, any client could choose its own limit, if
/// only a shorter one.
///
/// # Examples
///
/// ```
/// use cancelable_tower::{Inbound, OperationLayer};
/// use std::time::Duration;
///
/// let inbound = Inbound::grpc().cap(Duration::from_secs(60)).reserve(Duration::from_millis(5));
/// let layer = OperationLayer::new().inbound(inbound);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct Inbound {
    format: Format,
    cap: Option<Duration>,
    reserve: Duration,
    minimum: Duration,
    malformed: Arc<AtomicU64>,
}

impl Inbound {
    /// Reads `grpc-timeout`: at most eight digits, and one of the units `H`, `M`, `S`, `m`, `u` and `n`.
    ///
    /// ```
    /// let inbound = cancelable_tower::Inbound::grpc();
    /// assert_eq!(inbound.malformed(), 0);
    /// ```
    pub fn grpc() -> Self {
        Self::of(Format::grpc())
    }

    /// Reads `connect-timeout-ms` of the Connect protocol: at most ten digits, in milliseconds.
    ///
    /// ```
    /// let inbound = cancelable_tower::Inbound::connect();
    /// assert_eq!(inbound.malformed(), 0);
    /// ```
    pub fn connect() -> Self {
        Self::of(Format::connect())
    }

    /// Reads a header with a whole number of milliseconds, of at most 19 digits.
    ///
    /// ```
    /// use http::HeaderName;
    /// let inbound = cancelable_tower::Inbound::millis(HeaderName::from_static("x-request-timeout-ms"));
    /// assert_eq!(inbound.malformed(), 0);
    /// ```
    pub fn millis(name: HeaderName) -> Self {
        Self::of(Format::millis(name))
    }

    fn of(format: Format) -> Self {
        Inbound {
            format,
            cap: None,
            reserve: Duration::ZERO,
            minimum: Duration::ZERO,
            malformed: Arc::default(),
        }
    }

    /// Sets the longest limit that a request can have. A request with a longer limit gets `longest` instead, and so does a
    /// request without the header.
    ///
    /// ```
    /// use cancelable_tower::Inbound;
    /// use http::{HeaderMap, HeaderValue};
    /// use std::time::Duration;
    ///
    /// let minute = Duration::from_secs(60);
    /// let inbound = Inbound::grpc().cap(minute);
    /// let hour = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_static("1H"))]);
    /// assert_eq!(inbound.limit(&hour), Some(minute));
    /// ```
    pub fn cap(mut self, longest: Duration) -> Self {
        self.cap = Some(longest);
        self
    }

    /// Takes `reserve` off the limit that the request brings, so that the answer reaches the client in time.
    ///
    /// ```
    /// use cancelable_tower::Inbound;
    /// use http::{HeaderMap, HeaderValue};
    /// use std::time::Duration;
    ///
    /// let inbound = Inbound::grpc().reserve(Duration::from_millis(20));
    /// let request = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_static("300m"))]);
    /// assert_eq!(inbound.limit(&request), Some(Duration::from_millis(280)));
    /// ```
    pub fn reserve(mut self, reserve: Duration) -> Self {
        self.reserve = reserve;
        self
    }

    /// Refuses requests that have less time than `minimum`: they are answered as timed out, and the service is not called.
    /// The default is zero, which refuses only requests that have no time left at all.
    ///
    /// ```
    /// use cancelable_tower::Inbound;
    /// use http::{HeaderMap, HeaderValue};
    /// use std::time::Duration;
    ///
    /// let inbound = Inbound::grpc().minimum(Duration::from_millis(10));
    /// let request = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_static("9m"))]);
    /// assert_eq!(inbound.limit(&request), Some(Duration::ZERO));
    /// ```
    pub fn minimum(mut self, minimum: Duration) -> Self {
        self.minimum = minimum;
        self
    }

    /// Returns how many malformed values have been ignored, by this `Inbound` and all its clones.
    ///
    /// ```
    /// use cancelable_tower::Inbound;
    /// use http::{HeaderMap, HeaderValue};
    ///
    /// let inbound = Inbound::grpc();
    /// let request = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_static("soon"))]);
    /// assert_eq!(inbound.limit(&request), None);
    /// assert_eq!(inbound.malformed(), 1);
    /// ```
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    /// Returns the limit of a request with these headers, or `None` if the request has no limit. Zero means that the request
    /// is refused.
    ///
    /// ```
    /// use http::HeaderMap;
    /// assert_eq!(cancelable_tower::Inbound::grpc().limit(&HeaderMap::new()), None);
    /// ```
    pub fn limit(&self, headers: &HeaderMap) -> Option<Duration> {
        let mut shortest: Option<Duration> = None;
        for value in headers.get_all(&self.format.name) {
            match self.format.parse(value) {
                Some(limit) => {
                    shortest = Some(shortest.map_or(limit, |shortest| shortest.min(limit)));
                }
                None => {
                    self.malformed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        let asked = shortest.map(|limit| limit.saturating_sub(self.reserve));
        let limit = match (asked, self.cap) {
            (Some(asked), Some(cap)) => asked.min(cap),
            (Some(limit), None) | (None, Some(limit)) => limit,
            (None, None) => return None,
        };
        Some(if limit < self.minimum { Duration::ZERO } else { limit })
    }
}
