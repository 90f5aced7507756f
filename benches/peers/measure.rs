//! Measures in rounds: each contestant has one turn per round.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::contestant::{Contestant, Way, contestant};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How many turns each contestant has.
    pub(crate) rounds: usize,
    /// The approximate length of a turn.
    pub(crate) turn: Duration,
}

/// Times in nanoseconds: the median of the rounds, and the 10th and 90th percentiles.
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

/// The time of the bare work, and the time that each contestant adds to it.
pub(crate) struct Measured {
    pub(crate) bare: Nanos,
    pub(crate) net: Vec<(&'static str, Nanos)>,
}

/// Returns how many jobs a contestant can do in a turn.
fn calibrate(contestant: &mut Contestant, way: Way, pends: u32, turn: Duration) -> u64 {
    let wanted = turn.as_nanos() as f64;
    let mut times = 16;
    loop {
        let each = contestant.take_turn(way, pends, times);
        if each * times as f64 > wanted / 8.0 {
            return ((wanted / each) as u64).max(1);
        }
        times *= 4;
    }
}

/// Measures the contestants in rounds. Each contestant has one turn per round, so that other load on the machine affects all
/// contestants. The bare work is measured in the same rounds, and its median is subtracted.
pub(crate) fn measure(
    contestants: &mut [&mut Contestant],
    way: Way,
    pends: u32,
    effort: Effort,
) -> Measured {
    let mut bare = contestant!("the work alone", |work| work, |value: &u32| Some(*value));
    let bare_times = calibrate(&mut bare, way, pends, effort.turn);
    let times: Vec<_> =
        contestants.iter_mut().map(|each| calibrate(each, way, pends, effort.turn)).collect();
    let mut bares = Vec::with_capacity(effort.rounds);
    let mut taken = vec![Vec::with_capacity(effort.rounds); contestants.len()];
    for round in 0..effort.rounds {
        bares.push(bare.take_turn(way, pends, bare_times));
        // A different contestant starts each round.
        for offset in 0..contestants.len() {
            let index = (round + offset) % contestants.len();
            // Warm up the caches after the previous contestant.
            contestants[index].take_turn(way, pends, (times[index] / 16).max(1));
            taken[index].push(contestants[index].take_turn(way, pends, times[index]));
        }
    }
    let bare = Nanos::of(bares);
    let names = contestants.iter().map(|each| each.name);
    let net = taken.into_iter().map(|rounds| Nanos::of(rounds).less(bare.median));
    Measured { bare, net: names.zip(net).collect() }
}

/// Measures one clock reading, which every timeout needs.
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
