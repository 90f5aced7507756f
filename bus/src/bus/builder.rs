//! `BusBuilder`: the settings of a bus.

use std::sync::Arc;
use std::time::Duration;

use cancelable::Text;

use super::driver::{self, Driver};
use super::shared::Shared;
use super::{Bus, Settings};
use crate::engine::{Engine, Process};
use crate::invalid::{Invalid, check_time};
use crate::name::{Scope, check_name};

/// The longest time that a setting can have.
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// The settings of a bus. Made by [`Bus::builder`].
///
/// | setting | default | between |
/// |---|---|---|
/// | [`poll_every`](Self::poll_every) | 2 s | 10 ms and 1 hour |
/// | [`call_limit`](Self::call_limit) | 2 s | 10 ms and 1 hour |
/// | [`lease`](Self::lease) | 15 s | twice the sum of the two above, and 1 day |
/// | [`retention`](Self::retention) | 1 hour | the lease, and 366 days |
///
/// # Examples
///
/// ```
/// use cancelable_bus::{Bus, Memory, Scope};
/// use std::time::Duration;
///
/// let (bus, driver) = Bus::builder(Memory::new())
///     .scope(Scope::new("reports")?)
///     .host("worker-7")
///     .poll_every(Duration::from_secs(1))
///     .build()?;
/// assert_eq!(bus.scope().as_str(), "reports");
/// # drop(driver);
/// # Ok::<(), cancelable_bus::Invalid>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct BusBuilder<E> {
    engine: E,
    scope: Option<Scope>,
    host: Text,
    settings: Settings,
}

impl<E: Engine> BusBuilder<E> {
    pub(super) fn new(engine: E) -> Self {
        let settings = Settings {
            poll_every: Duration::from_secs(2),
            call_limit: Duration::from_secs(2),
            lease: Duration::from_secs(15),
            retention: Duration::from_secs(3600),
        };
        BusBuilder { engine, scope: None, host: Text::default(), settings }
    }

    /// Sets the scope. The default is `default`.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Sets the name of the host, for people reading the tables. The default is empty.
    pub fn host(mut self, host: impl Into<Text>) -> Self {
        self.host = host.into();
        self
    }

    /// Sets the time between two polls. A request whose hint was lost arrives with the next poll.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.settings.poll_every = interval;
        self
    }

    /// Sets how long a call to the store may take. A connection that is silent for longer is given up.
    pub fn call_limit(mut self, limit: Duration) -> Self {
        self.settings.call_limit = limit;
        self
    }

    /// Sets how long the process counts as alive after its last poll.
    pub fn lease(mut self, length: Duration) -> Self {
        self.settings.lease = length;
        self
    }

    /// Sets how long the store keeps rows that are no longer needed.
    pub fn retention(mut self, length: Duration) -> Self {
        self.settings.retention = length;
        self
    }

    /// Creates the bus and its driver. Nothing happens until the driver is polled: spawn it, or poll it beside other work.
    ///
    /// # Errors
    ///
    /// If a setting is outside the range in the table above, or the name of the host is longer than 200 bytes or contains a
    /// control character.
    pub fn build(self) -> Result<(Bus<E>, Driver), Invalid> {
        let Settings { poll_every, call_limit, lease, retention } = self.settings;
        let (shortest, hour) = (Duration::from_millis(10), Duration::from_secs(3600));
        check_name("host", &self.host)?;
        check_time("poll interval", poll_every, shortest, hour)?;
        check_time("call limit", call_limit, shortest, hour)?;
        check_time("lease", lease, (poll_every + call_limit) * 2, hour * 24)?;
        check_time("retention", retention, lease, YEAR)?;
        let scope = match self.scope {
            Some(scope) => scope,
            None => Scope::new("default")?,
        };
        let process = Process::new(scope, self.host);
        let shared = Arc::new(Shared::new(self.engine, process, self.settings));
        Ok((Bus { shared: shared.clone() }, driver::start(shared)))
    }
}
