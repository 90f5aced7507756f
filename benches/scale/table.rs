//! The table, the goals, and the summary at the end.

use std::time::Duration;

use crate::measure::{Contestant, measure};

/// Growth with a larger exponent than this is flagged, unless the times of all contestants in the row grow as fast. Data that
/// no longer fits into the caches slows down all contestants.
const STEEPEST: f64 = 1.15;

/// Two exponents this close count as equal.
const ALIKE: f64 = 0.05;

/// The beginning of the name of a contestant that takes only the steps that cannot be avoided.
const FLOOR: &str = "floor";

/// The goal of a row with a floor: it may take at most this many times as long as the floor.
const ABOVE_FLOOR: f64 = 1.1;

/// The title of a row, and its goal: the largest allowed share, which is our time divided by the first peer's time.
pub(crate) type Title<'a> = (&'a str, Option<f64>);

/// A contestant in a row, and its nanoseconds per unit at each size.
struct Line {
    name: &'static str,
    medians: Vec<(usize, f64)>,
}

impl Line {
    fn show(&self) -> String {
        let at = self.medians.iter().map(|(size, nanos)| format!("{size}: {nanos:.1}"));
        let at = at.collect::<Vec<_>>().join("  ");
        format!("  {:<34} {at:<60} exponent {:.2}", self.name, self.exponent())
    }

    /// Returns the time at the largest size.
    fn last(&self) -> f64 {
        self.medians.last().map_or(f64::NAN, |(_, nanos)| *nanos)
    }

    /// Returns the exponent `e` if the time of the whole job grows as its size to the power of `e`. For a job that was measured
    /// at only one size, returns NaN.
    fn exponent(&self) -> f64 {
        match self.medians[..] {
            [(first, from), .., (last, to)] => {
                let (first, last) = (first as f64, last as f64);
                ((to * last) / (from * first)).ln() / (last / first).ln()
            }
            _ => f64::NAN,
        }
    }
}

/// A row of the summary.
struct Judged {
    name: String,
    share: f64,
    allowed: Option<f64>,
    exponent: f64,
    /// The exponent above which growth counts as steep.
    steepest: f64,
}

impl Judged {
    fn is_missed(&self) -> bool {
        self.allowed.is_some_and(|allowed| self.share > allowed)
    }

    /// Returns whether the time grows too fast with the size. A job of one size has no exponent, and is never steep.
    fn is_steep(&self) -> bool {
        self.exponent > self.steepest
    }
}

/// Measures, prints and judges the rows.
pub(crate) struct Table {
    quick: bool,
    judged: Vec<Judged>,
}

impl Table {
    pub(crate) fn new(quick: bool) -> Self {
        println!("Nanoseconds for each one: the median of the rounds. The share is ours, which");
        println!(
            "comes first, of each other's at the largest size. The exponent says how the whole"
        );
        println!("grows from the first size to the last: 1 is in proportion.");
        Table { quick, judged: Vec::new() }
    }

    /// Returns `size`, or a small number with `--quick`.
    pub(crate) fn few(&self, size: usize) -> usize {
        if self.quick { (size / 1_000).max(2) } else { size }
    }

    /// Returns a number of limits and the longest limit. With `--quick`, there are fewer limits, and they are shorter.
    pub(crate) fn few_limits(&self, size: usize, longest: Duration) -> (usize, Duration) {
        if self.quick { (self.few(size), longest / 100) } else { (size, longest) }
    }

    /// Measures a row at each size.
    pub(crate) fn row(
        &mut self,
        title: Title<'_>,
        sizes: &[usize],
        contestants: Vec<Contestant<'_>>,
    ) {
        self.rows([title], sizes, contestants);
    }

    /// Measures a job with several parts at each size, and prints a row for each part.
    pub(crate) fn rows<const PARTS: usize>(
        &mut self,
        titles: [Title<'_>; PARTS],
        sizes: &[usize],
        mut contestants: Vec<Contestant<'_, PARTS>>,
    ) {
        let sizes: Vec<_> = sizes.iter().map(|size| self.few(*size)).collect();
        let measured: Vec<_> =
            sizes.iter().map(|size| measure(&mut contestants, *size, self.quick)).collect();
        for (part, title) in titles.into_iter().enumerate() {
            let row = |index: usize| Line {
                name: contestants[index].name,
                medians: sizes
                    .iter()
                    .zip(&measured)
                    .map(|(size, all)| (*size, all[index][part]))
                    .collect(),
            };
            self.print(title, &(0..contestants.len()).map(row).collect::<Vec<_>>());
        }
    }

    /// Prints a row, and compares our time with the first peer's.
    fn print(&mut self, title: Title<'_>, lines: &[Line]) {
        let (name, allowed) = title;
        println!("\n{name}");
        let Some((ours, others)) = lines.split_first() else { return };
        println!("{}", ours.show());
        let share = |other: &Line| ours.last() / other.last();
        for other in others {
            println!("{}  share {:.2}", other.show(), share(other));
        }
        let peer = others.first();
        let slowest = others.iter().map(Line::exponent).fold(f64::INFINITY, f64::min);
        let steepest = if others.is_empty() { STEEPEST } else { STEEPEST.max(slowest + ALIKE) };
        self.judge(title, peer.map_or(f64::NAN, share), (ours.exponent(), steepest));
        let Some(judged) = self.judged.last() else { return };
        if let (Some(allowed), Some(peer)) = (allowed, peer) {
            let verdict = if judged.is_missed() { "missed" } else { "met" };
            println!("  of {}: {:.2}, allowed {allowed:.2}, {verdict}", peer.name, judged.share);
        }
        if judged.is_steep() {
            println!("  grows faster than in proportion: exponent {:.2}", judged.exponent);
        }
        if let Some(floor) = others.iter().find(|other| other.name.starts_with(FLOOR)) {
            self.judge_size((&format!("{name}, of its floor"), Some(ABOVE_FLOOR)), share(floor));
        }
    }

    /// Adds a row to the summary. With `--quick`, leaves out the exponent, because small sizes say nothing about growth.
    fn judge(&mut self, (name, allowed): Title<'_>, share: f64, (exponent, steepest): (f64, f64)) {
        let exponent = if self.quick { f64::NAN } else { exponent };
        self.judged.push(Judged { name: name.to_owned(), share, allowed, exponent, steepest });
    }

    /// Adds a row of one size to the summary. Such a row has no exponent.
    pub(crate) fn judge_size(&mut self, title: Title<'_>, share: f64) {
        self.judge(title, share, (f64::NAN, STEEPEST));
    }

    /// Prints the summary of all rows, and returns whether all goals are met.
    pub(crate) fn summary(&self) -> bool {
        println!("\nshare  allowed  exponent");
        let number = |number: f64| {
            if number.is_finite() { format!("{number:.2}") } else { String::new() }
        };
        let mut missed = Vec::new();
        for row in &self.judged {
            let Judged { name, share, allowed, exponent, .. } = row;
            let verdict = match (row.is_missed(), row.is_steep()) {
                (false, false) if allowed.is_some() => "met",
                (false, false) => "",
                (true, false) => "missed",
                (false, true) => "steep",
                (true, true) => "missed, steep",
            };
            let allowed = allowed.map(number).unwrap_or_default();
            println!(
                "{:>5}  {allowed:>7}  {:>8}  {name:<80}  {verdict}",
                number(*share),
                number(*exponent)
            );
            if row.is_missed() || row.is_steep() {
                missed.push(format!("{name} ({verdict})"));
            }
        }
        match &missed[..] {
            [] => println!("\nall rows are met"),
            missed => println!("\nmissed or steep: {}", missed.join("; ")),
        }
        missed.is_empty()
    }
}
