//! Prints the time that each contestant of a row took.

use crate::floor::FLOOR;
use crate::measure::{Measured, Nanos};
use crate::rows::OURS;
use crate::shares::Shares;

pub(crate) struct Report {
    pub(crate) shares: Shares,
}

impl Report {
    pub(crate) fn new(clock_read: Nanos) -> Self {
        println!("Nanoseconds on top of the work alone: the median of the rounds, and the range");
        println!("without the lowest and the highest tenth. The share is ours of that peer's.");
        println!("The floor is what a limit cannot do without: see docs/performance.md.");
        println!();
        println!("one reading of the clock: {}", show(clock_read));
        Report { shares: Shares::default() }
    }

    /// Prints a row. `allowed` is the goal: the largest allowed share, which is our time divided by the first peer's time.
    pub(crate) fn row(&mut self, name: &str, measured: &Measured, allowed: Option<f64>) {
        println!("\n{name} (the work alone: {})", show(measured.bare));
        let Some(((_, ours), others)) = measured.net.split_first() else { return };
        let share_of = |nanos: &Nanos| ours.median / nanos.median;
        println!("  {OURS:<32} {}", show(*ours));
        for (other, nanos) in others {
            println!("  {other:<32} {}  share {:.2}", show(*nanos), share_of(nanos));
        }
        let is_peer = |name: &str| {
            // Contestants whose jobs share one listener for the signal have less to do, so they do not count as peers.
            name != FLOOR && !name.starts_with(OURS) && !name.ends_with("one listener")
        };
        let peers = others.iter().filter(|(name, _)| is_peer(name));
        let fastest = peers.map(|(_, nanos)| nanos.median).fold(f64::INFINITY, f64::min);
        print!("  of the fastest peer: {:.2}", ours.median / fastest);
        if let (Some(allowed), Some((peer, nanos))) = (allowed, others.first()) {
            print!("; of {peer}: {:.2}, allowed {allowed:.2}", share_of(nanos));
            self.shares.add(name, allowed, share_of(nanos));
        }
        println!();
    }
}

fn show(Nanos { low, median, high }: Nanos) -> String {
    format!("{median:8.1}  ({low:.1} to {high:.1})")
}
