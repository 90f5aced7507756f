//! Rounds in which each contestant does the same job at several sizes, and the table of them.

use std::time::{Duration, Instant};

/// One way to do a job of some size. What is made before the clock starts, and dropped after it has
/// stopped, is not measured: the job tells how long the part took that is.
pub(crate) struct Contestant<'a> {
    name: &'static str,
    job: Box<dyn FnMut(usize) -> Duration + 'a>,
}

impl<'a> Contestant<'a> {
    pub(crate) fn new(name: &'static str, job: impl FnMut(usize) -> Duration + 'a) -> Self {
        Contestant { name, job: Box::new(job) }
    }
}

/// How long a piece of code takes, and what it returns.
pub(crate) fn timed<R>(f: impl FnOnce() -> R) -> (Duration, R) {
    let start = Instant::now();
    let result = f();
    (start.elapsed(), result)
}

/// Prints the rows.
pub(crate) struct Table {
    quick: bool,
}

impl Table {
    pub(crate) fn new(quick: bool) -> Self {
        println!(
            "Nanoseconds for each of so many: the median of the rounds. The share is ours, which"
        );
        println!(
            "comes first, of each other's at the largest size that both have. The exponent says"
        );
        println!("how the whole grows from the first size to the last: 1 is in proportion.");
        Table { quick }
    }

    /// Measures a row at each size: in each round each contestant has its turn, so that whatever else
    /// the machine does meets all of them.
    pub(crate) fn row(
        &mut self,
        name: &str,
        sizes: &[usize],
        mut contestants: Vec<Contestant<'_>>,
    ) {
        let few: Vec<_> = sizes.iter().map(|size| (size / 1_000).max(2)).collect();
        let (sizes, rounds) = if self.quick { (&few[..], 1) } else { (sizes, 9) };
        println!("\n{name}");
        let mut medians = vec![Vec::new(); contestants.len()];
        for &size in sizes {
            let mut taken = vec![Vec::new(); contestants.len()];
            for _ in 0..rounds {
                for (each, taken) in contestants.iter_mut().zip(&mut taken) {
                    taken.push((each.job)(size).as_nanos() as f64 / size as f64);
                }
            }
            for (mut taken, medians) in taken.into_iter().zip(&mut medians) {
                taken.sort_by(f64::total_cmp);
                medians.push(taken[taken.len() / 2]);
            }
        }
        let ours = medians.first().and_then(|all| all.last()).copied().unwrap_or(f64::NAN);
        for (index, (each, medians)) in contestants.iter().zip(&medians).enumerate() {
            let at = sizes.iter().zip(medians).map(|(size, nanos)| format!("{size}: {nanos:.1}"));
            let at = at.collect::<Vec<_>>().join("  ");
            print!("  {:<34} {at:<60} exponent {:.2}", each.name, exponent(sizes, medians));
            match medians.last() {
                Some(theirs) if index > 0 => println!("  share {:.2}", ours / theirs),
                _ => println!(),
            }
        }
    }
}

/// How the time of the whole job grows with its size.
fn exponent(sizes: &[usize], nanos: &[f64]) -> f64 {
    match (sizes, nanos) {
        ([first, .., last], [from, .., to]) => {
            let (from, to) = (from * *first as f64, to * *last as f64);
            (to / from).ln() / (*last as f64 / *first as f64).ln()
        }
        _ => f64::NAN,
    }
}
