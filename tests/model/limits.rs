//! Limits that are moved, polled and dropped in any order, in virtual time.
//!
//! The model knows the end of the limit. A source is ready if and only if, at the time of the poll, the limit has fired or
//! its end has passed. If a pending source would be ready in its next poll, its last waker has been woken. Moving the limit
//! to a later end wakes no task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use cancelable::source::WaitForLimit;
use cancelable::testing::{PausedTime, pause};
use cancelable::{Limit, Reason};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};

use crate::support::{self, Wakes, check_random};

const SOURCES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Reset,
    Extend(u64),
    /// Sets the end to this many milliseconds from now, which may be in the past.
    Set(i64),
    Disarm,
    Poll {
        source: usize,
        new_waker: bool,
    },
    /// Drops a source, and creates a new one in its place.
    Replace(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let source = 0..SOURCES;
    let step = prop_oneof![
        4 => (0..40u64).prop_map(Step::Pass),
        2 => any::<bool>().prop_map(|_| Step::Reset),
        2 => (0..30u64).prop_map(Step::Extend),
        2 => (-20..40i64).prop_map(Step::Set),
        1 => any::<bool>().prop_map(|_| Step::Disarm),
        6 => (source.clone(), any::<bool>())
            .prop_map(|(source, new_waker)| Step::Poll { source, new_waker }),
        1 => source.prop_map(Step::Replace),
    ];
    vec(step, 1..40)
}

#[derive(Clone, Copy, Debug)]
enum Clock {
    Unstarted(Duration),
    Running(Instant, Instant),
    Disarmed,
}

#[derive(Debug)]
struct Model {
    length: Duration,
    clock: Clock,
    fired: Option<Reason>,
}

impl Model {
    /// Moves the clock, unless the limit has fired. Returns whether it moved.
    fn change(&mut self, clock: Clock) -> bool {
        if self.fired.is_none() {
            self.clock = clock;
        }
        self.fired.is_none()
    }

    fn end(&self) -> Option<Instant> {
        match self.clock {
            Clock::Running(_, end) => Some(end),
            Clock::Unstarted(_) | Clock::Disarmed => None,
        }
    }

    fn would_fire(&self, now: Instant) -> bool {
        self.fired.is_some() || self.end().is_some_and(|end| end <= now)
    }

    fn poll(&mut self, now: Instant) -> Poll<Reason> {
        if let Clock::Unstarted(length) = self.clock {
            self.clock = Clock::Running(now, now + length);
        }
        match (&self.fired, self.clock) {
            (None, Clock::Running(since, end)) if end <= now => {
                self.fired = Some(Reason::timeout(end.saturating_duration_since(since)));
            }
            _ => {}
        }
        self.fired.clone().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A source, its last waker, and how often that waker had been woken by the last poll of the source.
struct Source {
    future: Pin<Box<WaitForLimit>>,
    wakes: Arc<Wakes>,
    woken: usize,
    waits: bool,
    done: bool,
}

impl Source {
    fn of(limit: &Limit) -> Self {
        let (future, wakes) = (Box::pin(limit.reached()), Wakes::new());
        Source { future, wakes, woken: 0, waits: false, done: false }
    }
}

fn check(length: u64, steps: Vec<Step>) {
    let time = pause();
    let length = Duration::from_millis(length);
    let limit = Limit::after(length);
    let mut model = Model { length, clock: Clock::Unstarted(length), fired: None };
    let mut sources: Vec<_> = (0..SOURCES).map(|_| Source::of(&limit)).collect();
    for step in steps {
        let before =
            (model.end(), sources.iter().map(|source| source.wakes.count()).sum::<usize>());
        let moved = apply(step, &time, &limit, &mut model, &mut sources);
        let woken = sources.iter().map(|source| source.wakes.count()).sum::<usize>();
        let is_later = model.end().is_none_or(|end| before.0.is_some_and(|earlier| earlier <= end));
        if moved && is_later {
            assert_eq!(woken, before.1, "{step:?} wakes nothing");
        }
        let waits = sources.iter().filter(|source| source.waits).count();
        assert!(!moved || woken <= before.1 + waits, "{step:?} wakes each task once");
        for source in sources.iter().filter(|source| source.waits) {
            let is_woken = source.wakes.count() > source.woken;
            assert!(is_woken || !model.would_fire(time.now()), "{step:?}: not woken");
        }
        assert_eq!(limit.has_fired(), model.fired.is_some());
        let left = model.end().map(|end| end.saturating_duration_since(time.now()));
        match model.clock {
            _ if model.fired.is_some() => assert_eq!(limit.remaining(), Some(Duration::ZERO)),
            Clock::Unstarted(first) => assert_eq!(limit.remaining(), Some(first)),
            _ => assert_eq!(limit.remaining(), left),
        }
    }
}

/// Applies a step to the limit and to the model. Returns whether the step was a call that may move the limit.
fn apply(
    step: Step,
    time: &PausedTime,
    limit: &Limit,
    model: &mut Model,
    sources: &mut [Source],
) -> bool {
    let (now, ms) = (time.now(), Duration::from_millis);
    let (moved, expected) = match step {
        Step::Pass(by) => {
            time.advance(ms(by));
            return false;
        }
        Step::Reset => {
            let clock = match model.clock {
                Clock::Unstarted(_) => Clock::Unstarted(model.length),
                _ => Clock::Running(now, now + model.length),
            };
            (limit.reset(), model.change(clock))
        }
        Step::Extend(by) => {
            let clock = match model.clock {
                Clock::Unstarted(first) => Clock::Unstarted(first + ms(by)),
                Clock::Running(since, end) => Clock::Running(since, end + ms(by)),
                Clock::Disarmed => Clock::Disarmed,
            };
            (limit.extend(ms(by)), model.change(clock))
        }
        Step::Set(from_now) => {
            let by = ms(from_now.unsigned_abs());
            let at = if from_now < 0 { now - by } else { now + by };
            let since = match model.clock {
                Clock::Running(since, _) => since,
                _ => now,
            };
            (limit.set(at), model.change(Clock::Running(since, at)))
        }
        Step::Disarm => (limit.disarm(), model.change(Clock::Disarmed)),
        Step::Poll { source, new_waker } => {
            let source = &mut sources[source];
            if source.done {
                return false;
            }
            if new_waker {
                source.wakes = Wakes::new();
            }
            let polled = source.wakes.poll(source.future.as_mut());
            assert_eq!(polled, model.poll(now), "{step:?}");
            source.woken = source.wakes.count();
            (source.waits, source.done) = (polled.is_pending(), polled.is_ready());
            return false;
        }
        Step::Replace(source) => {
            sources[source] = Source::of(limit);
            return false;
        }
    };
    assert_eq!(moved, expected, "{step:?}");
    true
}

#[test]
fn g17_limit_moved_in_any_order() {
    let _watchdog = support::watchdog();
    check_random(2000, (0..40u64, steps()), |(length, steps)| check(length, steps));
}
