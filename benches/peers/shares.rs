//! Our shares in both profiles, and the verdict. A share is our time divided by the time of the first peer.

use std::collections::BTreeMap;
use std::env::var_os;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};

/// The other profile, with link-time optimisation.
const OTHER_PROFILE: &str = "bench-lto";

/// The beginning of the lines that the process of the other profile prints for the process of the first profile.
const LINE: &str = "shares\t";

/// Our shares in each row.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    allowed: f64,
    /// The shares in this profile, first polled in place, then by value. Then the same shares in the other profile. A row that
    /// is measured in a task has one share per profile.
    shares: Vec<f64>,
}

impl Shares {
    pub(crate) fn add(&mut self, name: &str, allowed: f64, share: f64) {
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.shares.push(share),
            None => {
                self.rows.push(Row { name: name.to_owned(), allowed, shares: vec![share] });
            }
        }
    }

    /// Adds the shares of the other profile. The keys are the names of the rows.
    pub(crate) fn extend(&mut self, others: BTreeMap<String, Vec<f64>>) {
        for row in &mut self.rows {
            row.shares.extend(others.get(&row.name).into_iter().flatten());
        }
    }

    /// Prints the worst share of each row, and returns whether all are allowed.
    pub(crate) fn print(&self) -> bool {
        println!(
            "\n== Shares of the first peer, in place and by value; then with link-time optimisation"
        );
        let mut missed = Vec::new();
        for Row { name, allowed, shares } in &self.rows {
            let worst = shares.iter().copied().fold(0.0, f64::max);
            let verdict = if worst <= *allowed { "met" } else { "missed" };
            let each: String = shares.iter().map(|share| format!("{share:6.2}")).collect();
            println!("{name:<44}{each}  worst {worst:.2}, allowed {allowed:.2}, {verdict}");
            if worst > *allowed {
                missed.push(format!("{name} ({worst:.2}, allowed {allowed:.2})"));
            }
        }
        match &missed[..] {
            [] => println!("all rows are met"),
            missed => println!("missed: {}", missed.join("; ")),
        }
        missed.is_empty()
    }

    /// Prints the shares in a form that [`of_other_profile`] reads.
    pub(crate) fn print_lines(&self) {
        for Row { name, shares, .. } in &self.rows {
            let shares: String = shares.iter().map(|share| format!("\t{share}")).collect();
            println!("{LINE}{name}{shares}");
        }
    }
}

/// Builds this bench in the other profile and runs it. Prints its output and returns its shares.
pub(crate) fn of_other_profile() -> io::Result<BTreeMap<String, Vec<f64>>> {
    println!("\n== The same with link-time optimisation and one codegen unit");
    let mut child = Command::new(var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["bench", "--profile", OTHER_PROFILE, "--bench", "peers", "--", "--profile"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut shares = BTreeMap::new();
    let output = child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines());
    for line in output {
        let line = line?;
        match parse(&line) {
            Some((row, shares_of_row)) => _ = shares.insert(row, shares_of_row),
            None => println!("{line}"),
        }
    }
    match child.wait()?.success() {
        true => Ok(shares),
        false => Err(io::Error::other("the bench failed")),
    }
}

/// Parses a line of [`Shares::print_lines`].
fn parse(line: &str) -> Option<(String, Vec<f64>)> {
    let mut fields = line.strip_prefix(LINE)?.split('\t');
    Some((fields.next()?.to_owned(), fields.flat_map(str::parse).collect()))
}
