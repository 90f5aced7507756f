//! Rounds, in which each contestant has its turn, and what comes of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::contestant::{Contestant, Place, contestant};

/// How long the measuring goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How many times each contestant has its turn.
    pub(crate) rounds: usize,
    /// How long a turn takes, about.
    pub(crate) turn: Duration,
}

/// Nanoseconds: the median of the rounds. A tenth of them are below `low`, a tenth above `high`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nanos {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Nanos {
    fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        let at = |share: f64| rounds[((rounds.len() - 1) as f64 * share).round() as usize];
        Nanos { low: at(0.1), median: at(0.5), high: at(0.9) }
    }

    fn less(self, nanos: f64) -> Self {
        Nanos { low: self.low - nanos, median: self.median - nanos, high: self.high - nanos }
    }
}

/// What the work takes by itself, and what each contestant takes on top of it.
pub(crate) struct Measured {
    pub(crate) bare: Nanos,
    pub(crate) net: Vec<(&'static str, Nanos)>,
}

/// How many jobs of a contestant fill a turn.
fn calibrate(contestant: &mut Contestant, place: Place, pends: u32, turn: Duration) -> u64 {
    let wanted = turn.as_nanos() as f64;
    let mut times = 16;
    loop {
        let each = contestant.take_turn(place, pends, times);
        if each * times as f64 > wanted / 8.0 {
            return ((wanted / each) as u64).max(1);
        }
        times *= 4;
    }
}

/// Lets each contestant have its turn in each round, so that whatever else the machine does meets
/// all of them. What the work takes by itself is measured in the same rounds, and taken off.
pub(crate) fn measure(
    contestants: &mut [&mut Contestant],
    place: Place,
    pends: u32,
    effort: Effort,
) -> Measured {
    let mut bare = contestant!("the work alone", |work| work, |value: &u32| Some(*value));
    let bare_times = calibrate(&mut bare, place, pends, effort.turn);
    let times: Vec<_> =
        contestants.iter_mut().map(|each| calibrate(each, place, pends, effort.turn)).collect();
    let mut bares = Vec::with_capacity(effort.rounds);
    let mut taken = vec![Vec::with_capacity(effort.rounds); contestants.len()];
    for round in 0..effort.rounds {
        bares.push(bare.take_turn(place, pends, bare_times));
        // Another one begins each time.
        for offset in 0..contestants.len() {
            let index = (round + offset) % contestants.len();
            // What the one before has left in the caches is not its fault.
            contestants[index].take_turn(place, pends, (times[index] / 16).max(1));
            taken[index].push(contestants[index].take_turn(place, pends, times[index]));
        }
    }
    let bare = Nanos::of(bares);
    let names = contestants.iter().map(|each| each.name);
    let net = taken.into_iter().map(|rounds| Nanos::of(rounds).less(bare.median));
    Measured { bare, net: names.zip(net).collect() }
}

/// What it costs to read the clock: what a timeout cannot do without.
pub(crate) fn clock_read(effort: Effort) -> Nanos {
    let times = 10_000;
    let round = |_| {
        let start = Instant::now();
        for _ in 0..times {
            black_box(Instant::now());
        }
        start.elapsed().as_nanos() as f64 / f64::from(times)
    };
    Nanos::of((0..effort.rounds).map(round).collect())
}
