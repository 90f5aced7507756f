//! `Limit`: a time limit whose end can be moved through handles.
//!
//! * `state`: the state that the handles and sources of a limit share, and how they move and fire the limit.
//! * [`wait`]: the source, which waits for the limit.

mod state;
mod wait;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::reason::{Reason, TimeoutLabel};
use crate::text::Text;
use state::{Clock, End, Shared};
pub use wait::WaitForLimit;

/// A time limit whose end can be moved while tasks wait for it.
///
/// Use it for work that may take as long as it needs, provided that it makes progress.
///
/// Pass `limit` or `&limit` wherever a source is expected. Clones are handles to the same limit. Any task or thread may move
/// the limit, and any number of tasks may wait for it.
///
/// A limit fires once, when one of its sources is polled after the end has passed. The reason is [`Reason::Timeout`]. A
/// limit that has fired stays fired: all its sources are ready, and the methods that move it return `false`. If the end has
/// passed but no source has been polled since, the limit has not fired yet, and can still be moved.
///
/// The clock of a limit starts at the first poll of a source. Like a [`timeout`](crate::timeout()), a limit never fires
/// early. Apart from scheduling delays, it fires late by at most 1 ms or 1/512 of the time since it was last moved,
/// whichever is more. If its end overflows the clock, a limit never fires.
///
/// An operation does not report the end of a limit as its [deadline](crate::Operation::deadline), because that end
/// may move.
///
/// # Implementation
///
/// Moving a limit takes one lock and, if the limit starts anew, reads the clock. Moving a limit to a later end wakes no
/// task: a waiting task is woken once, at the earlier end, and then waits for the later one. Moving a limit to an earlier
/// end wakes the tasks that wait for it.
///
/// # Examples
///
/// A download that may take as long as it needs, but is cancelled if no data arrives for 30 seconds:
///
/// ```
/// use cancelable::Limit;
/// use cancelable::prelude::*;
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// # let mut chunks = vec!["a", "b"].into_iter();
/// # let mut next_chunk = async || chunks.next();
/// let silence = Limit::after(Duration::from_secs(30)).named("no data");
/// let download = async {
///     let mut text = String::new();
///     while let Some(chunk) = next_chunk().await {
///         silence.reset();
///         text.push_str(chunk);
///     }
///     text
/// };
/// assert_eq!(download.cancelable(&silence).await?, "ab");
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Limit {
    shared: Arc<Shared>,
}

impl Limit {
    /// Creates a limit that fires `length` after the first poll of one of its sources, unless it is moved.
    ///
    /// For a limit that does not fire until it is [set](Self::set), pass [`Duration::MAX`].
    ///
    /// ```
    /// use cancelable::{Limit, Reason};
    /// use std::time::Duration;
    /// # smol::block_on(async {
    /// let limit = Limit::after(Duration::from_millis(2));
    /// assert_eq!(limit.await, Reason::timeout(Duration::from_millis(2)));
    /// # });
    /// ```
    pub fn after(length: Duration) -> Self {
        Limit { shared: Arc::new(Shared::new(length)) }
    }

    /// Names the limit. The reason shows the name, as with [`Timeout::named`](super::Timeout::named).
    ///
    /// ```
    /// use cancelable::Limit;
    /// use std::time::Duration;
    /// # smol::block_on(async {
    /// let reason = Limit::after(Duration::ZERO).named("no data").await;
    /// assert_eq!(reason.to_string(), "timed out after 0ns (no data)");
    /// # });
    /// ```
    #[must_use]
    pub fn named(self, name: impl Into<Text>) -> Self {
        let name = name.into();
        self.relabel(|label| label.set_name(name))
    }

    /// Attaches a cause, which says why the limit is set, as [`Timeout::because`](super::Timeout::because) does.
    ///
    /// ```
    /// use cancelable::Limit;
    /// use std::time::Duration;
    /// # smol::block_on(async {
    /// let reason = Limit::after(Duration::ZERO).because("the peer is slow").await;
    /// assert_eq!(reason.to_string(), "timed out after 0ns: the peer is slow");
    /// # });
    /// ```
    #[must_use]
    pub fn because(self, cause: impl Into<Reason>) -> Self {
        let cause = cause.into();
        self.relabel(|label| label.set_cause(cause))
    }

    fn relabel(self, change: impl FnOnce(&mut TimeoutLabel)) -> Self {
        let mut label = self.shared.state.lock().label.clone().unwrap_or_default();
        change(Arc::make_mut(&mut label));
        let replaced = self.shared.state.lock().label.replace(label);
        // The old label may hold a user's value as its cause, and the destructor of that value is user code. So the label is
        // dropped after the lock is released.
        drop(replaced);
        self
    }

    /// Starts the limit anew with its full length, and arms it if it was disarmed. Returns `false`, and changes
    /// nothing, if the limit has fired.
    ///
    /// If no source has been polled yet, the clock still starts at the first poll.
    ///
    /// ```
    /// use cancelable::Limit;
    /// use std::time::Duration;
    /// # smol::block_on(async {
    /// let limit = Limit::after(Duration::from_millis(2));
    /// assert!(limit.reset());
    /// (&limit).await;
    /// assert!(!limit.reset(), "it fires only once");
    /// # });
    /// ```
    pub fn reset(&self) -> bool {
        self.shared.change(|state| {
            state.clock = match state.clock {
                Clock::Unstarted(_) => Clock::Unstarted(state.length),
                Clock::Running { .. } | Clock::Disarmed => {
                    // The clock is read with the lock held. Otherwise, of two concurrent resets, the reset that read the
                    // earlier time could take the lock last and win.
                    let since = clock::now();
                    Clock::Running { since, end: End::after(since, state.length) }
                }
            };
        })
    }

    /// Moves the end later by `length`. A disarmed limit stays disarmed. Returns `false`, and changes nothing, if the
    /// limit has fired.
    ///
    /// ```
    /// use cancelable::Limit;
    /// use std::time::Duration;
    /// let limit = Limit::after(Duration::from_secs(30));
    /// limit.extend(Duration::from_secs(10));
    /// assert_eq!(limit.remaining(), Some(Duration::from_secs(40)));
    /// ```
    pub fn extend(&self, length: Duration) -> bool {
        self.shared.change(|state| match &mut state.clock {
            Clock::Unstarted(first) => *first = first.saturating_add(length),
            Clock::Running { end, .. } => {
                if let End::At(at) = *end {
                    *end = End::after(at, length);
                }
            }
            Clock::Disarmed => {}
        })
    }

    /// Moves the end to `at`, and arms the limit if it was disarmed. Returns `false`, and changes nothing, if the limit
    /// has fired.
    ///
    /// ```
    /// use cancelable::Limit;
    /// use std::time::{Duration, Instant};
    /// # smol::block_on(async {
    /// let limit = Limit::after(Duration::from_secs(3600));
    /// limit.set(Instant::now());
    /// assert!(limit.await.to_string().starts_with("timed out after"));
    /// # });
    /// ```
    pub fn set(&self, at: Instant) -> bool {
        self.shared.change(|state| {
            let since = match state.clock {
                Clock::Running { since, .. } => since,
                Clock::Unstarted(_) | Clock::Disarmed => clock::now(),
            };
            state.clock = Clock::Running { since, end: End::At(at) };
        })
    }

    /// Stops the clock: the limit does not fire until it is [reset](Self::reset) or [set](Self::set). Returns `false`,
    /// and changes nothing, if the limit has fired.
    ///
    /// ```
    /// use cancelable::Limit;
    /// use std::time::Duration;
    /// let limit = Limit::after(Duration::from_secs(30));
    /// assert!(limit.disarm());
    /// assert_eq!(limit.remaining(), None);
    /// ```
    pub fn disarm(&self) -> bool {
        self.shared.change(|state| state.clock = Clock::Disarmed)
    }

    /// Returns the time until the end. That is zero if the end has passed, and the full length, including extensions, if the
    /// clock has not started. Returns `None` if the limit is disarmed or never ends.
    ///
    /// ```
    /// use cancelable::Limit;
    /// use std::time::Duration;
    /// assert_eq!(Limit::after(Duration::from_secs(30)).remaining(), Some(Duration::from_secs(30)));
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        let state = self.shared.state.lock();
        match state.clock {
            _ if state.fired.is_some() => Some(Duration::ZERO),
            Clock::Unstarted(first) => Some(first),
            Clock::Running { end: End::At(at), .. } => {
                Some(at.saturating_duration_since(clock::now()))
            }
            Clock::Running { end: End::Never, .. } | Clock::Disarmed => None,
        }
    }

    /// Returns whether the limit has fired. A limit fires only when one of its sources is polled.
    ///
    /// ```
    /// use cancelable::Limit;
    /// assert!(!Limit::after(std::time::Duration::ZERO).has_fired());
    /// ```
    pub fn has_fired(&self) -> bool {
        self.shared.state.lock().fired.is_some()
    }

    /// Waits until the limit fires and returns the reason.
    ///
    /// `limit` and `&limit` convert into this future when they are used as a source.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the clock keeps running, and a new future waits for the same end.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{Limit, Reason};
    /// use std::time::Duration;
    /// # smol::block_on(async {
    /// let limit = Limit::after(Duration::from_millis(2));
    /// assert_eq!(limit.reached().await, Reason::timeout(Duration::from_millis(2)));
    /// # });
    /// ```
    pub fn reached(&self) -> WaitForLimit {
        WaitForLimit::new(self.shared.clone())
    }
}

/// No user code runs while the lock is held, so a panic cannot leave the state inconsistent.
impl UnwindSafe for Limit {}

/// Holds for the same reason as `UnwindSafe`.
impl RefUnwindSafe for Limit {}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("remaining", &self.remaining())
            .field("fired", &self.has_fired())
            .finish()
    }
}
