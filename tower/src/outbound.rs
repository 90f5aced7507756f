//! `Outbound`: the time limits that requests take with them.

use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;

use crate::format::Format;

/// Writes the time limit of a request into a header, for the next hop.
///
/// ```
/// use cancelable_tower::{Outbound, PropagateLayer};
/// use std::time::Duration;
///
/// let outbound = Outbound::grpc().reserve(Duration::from_millis(5));
/// let layer = PropagateLayer::new(outbound);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct Outbound {
    format: Format,
    reserve: Duration,
}

impl Outbound {
    /// Writes `grpc-timeout`.
    ///
    /// ```
    /// let outbound = cancelable_tower::Outbound::grpc();
    /// # let _ = outbound;
    /// ```
    pub fn grpc() -> Self {
        Outbound { format: Format::grpc(), reserve: Duration::ZERO }
    }

    /// Writes `connect-timeout-ms` of the Connect protocol.
    ///
    /// ```
    /// let outbound = cancelable_tower::Outbound::connect();
    /// # let _ = outbound;
    /// ```
    pub fn connect() -> Self {
        Outbound { format: Format::connect(), reserve: Duration::ZERO }
    }

    /// Writes a whole number of milliseconds into a header of this name.
    ///
    /// ```
    /// use http::HeaderName;
    /// let outbound = cancelable_tower::Outbound::millis(HeaderName::from_static("x-request-timeout-ms"));
    /// # let _ = outbound;
    /// ```
    pub fn millis(name: HeaderName) -> Self {
        Outbound { format: Format::millis(name), reserve: Duration::ZERO }
    }

    /// Keeps `reserve` of the time that is left, for the way back and for what the caller does afterwards. The header states
    /// the rest.
    ///
    /// ```
    /// use std::time::Duration;
    /// let outbound = cancelable_tower::Outbound::grpc().reserve(Duration::from_millis(20));
    /// # let _ = outbound;
    /// ```
    pub fn reserve(mut self, reserve: Duration) -> Self {
        self.reserve = reserve;
        self
    }

    /// Writes the limit into `headers`: `remaining` less the reserve, or a shorter limit that is there already. Returns
    /// `false` if no time is left.
    pub(crate) fn shorten(&self, headers: &mut HeaderMap, remaining: Duration) -> bool {
        let name = &self.format.name;
        let left = remaining.saturating_sub(self.reserve);
        let given = headers.get_all(name);
        let shortest = given.iter().filter_map(|value| self.format.parse(value)).min();
        let limit = shortest.map_or(left, |shortest| shortest.min(left));
        // If there were several headers, a peer might read only the longest limit. So a single header replaces them.
        if shortest == Some(limit) && !limit.is_zero() && given.iter().count() == 1 {
            return true;
        }
        match self.format.write(limit) {
            Some(value) => {
                headers.insert(name.clone(), value);
                true
            }
            None => false,
        }
    }
}
