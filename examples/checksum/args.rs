//! Command-line arguments.

use std::path::PathBuf;
use std::time::Duration;

use cancelable::command_line::parse_duration;
use clap::Parser;

const ABOUT: &str = "Prints the SHA-256 of every file below a directory";

const DETAILS: &str = "\
Symbolic links below DIR are not followed. Links and special files are skipped.
In a git repository, so are .git and what .gitignore files name. Everything else
is read.

Each file gets one line on stdout, sorted by the bytes of its path below DIR, in
the format of sha256sum: `cd DIR && sha256sum --check` accepts the output. Names
are printed unchanged, whatever their encoding. A line appears once its file and
all files before it have been read. Progress, errors and totals go to stderr.

SIGINT (Ctrl-C) and SIGTERM stop the program. A second signal ends it at once,
whatever it is doing. After a stop, stderr says how far it got and why; the lines
already on stdout are correct.

Exit codes:
  0      every file was read
  1      some files could not be read, or stdout could not be written
  2      wrong usage
  124    stopped by --timeout
  125    stopped by --max-mib
A signal that stops it also ends it. Shells show 128+n for signal n: 130 for
SIGINT, 143 for SIGTERM.";

#[derive(Debug, Parser, PartialEq)]
#[command(about = ABOUT, after_help = DETAILS)]
pub(crate) struct Args {
    /// Where to start
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Read .git and ignored files too
    #[arg(long)]
    pub(crate) all: bool,

    /// Stop after this long, such as 500ms, 2s or 1m30s
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,

    /// Stop when more than N MiB have been read
    #[arg(long, value_name = "N")]
    max_mib: Option<u32>,

    /// Pause after each chunk of 1 MiB
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true, value_parser = parse_duration)]
    pub(crate) slow: Duration,

    /// Block this long once stopped: time for a second Ctrl-C
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true, value_parser = parse_duration)]
    pub(crate) linger: Duration,
}

impl Args {
    /// The limit of `--max-mib`, in bytes.
    pub(crate) fn max_bytes(&self) -> Option<u64> {
        self.max_mib.map(|mib| u64::from(mib) << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["checksum"].iter().chain(args))
    }

    #[test]
    fn defaults() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.dir, PathBuf::from("."));
        assert_eq!((args.all, args.timeout, args.max_bytes()), (false, None, None));
        assert_eq!((args.slow, args.linger), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn options_before_and_after_the_directory() {
        let args = parse(&["--timeout", "1m30s", "here", "--max-mib=3", "--slow=1ms"]).unwrap();
        assert_eq!(args.dir, PathBuf::from("here"));
        assert_eq!(args.timeout, Some(Duration::from_secs(90)));
        assert_eq!(args.max_bytes(), Some(3 << 20));
        assert_eq!(args.slow, Duration::from_millis(1));
        assert_eq!(parse(&["--", "--odd"]).unwrap().dir, PathBuf::from("--odd"));
    }

    #[test]
    fn wrong_arguments() {
        let wrong: [&[&str]; 6] = [
            &["a", "b"],
            &["--timeout"],
            &["--timeout", "10"],
            &["--max-mib", "-1"],
            &["--max-mib="],
            &["--fast"],
        ];
        for args in wrong {
            assert!(parse(args).unwrap_err().use_stderr(), "{args:?}");
        }
    }

    #[test]
    fn every_limit_fits_into_bytes() {
        let args = parse(&["--max-mib", &u32::MAX.to_string()]).unwrap();
        assert_eq!(args.max_bytes(), Some(u64::from(u32::MAX) << 20));
    }
}
