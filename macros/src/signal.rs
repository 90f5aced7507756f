//! Names of signals.

/// Names of signals and their variants of `Signal`.
const NAMES: [(&str, &str); 23] = [
    ("SIGHUP", "Hup"),
    ("SIGINT", "Int"),
    ("SIGQUIT", "Quit"),
    ("SIGTRAP", "Trap"),
    ("SIGABRT", "Abort"),
    ("SIGUSR1", "Usr1"),
    ("SIGUSR2", "Usr2"),
    ("SIGPIPE", "Pipe"),
    ("SIGALRM", "Alarm"),
    ("SIGTERM", "Term"),
    ("SIGCHLD", "Child"),
    ("SIGCONT", "Cont"),
    ("SIGTSTP", "Tstp"),
    ("SIGTTIN", "Ttin"),
    ("SIGTTOU", "Ttou"),
    ("SIGURG", "Urg"),
    ("SIGXCPU", "Xcpu"),
    ("SIGXFSZ", "Xfsz"),
    ("SIGVTALRM", "Vtalarm"),
    ("SIGPROF", "Prof"),
    ("SIGWINCH", "Winch"),
    ("SIGIO", "Io"),
    ("SIGSYS", "Sys"),
];

/// Signals that no program can or should catch.
const NEVER: [&str; 6] = ["SIGKILL", "SIGSTOP", "SIGILL", "SIGFPE", "SIGSEGV", "SIGBUS"];

/// Returns the variant of `Signal` with this name. Accepts the same names as `Signal::from_str`: with or without `SIG`, in
/// upper, lower or mixed case. The error is a message for the user.
pub(crate) fn variant(text: &str) -> Result<&'static str, String> {
    let upper = text.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_it = |name: &str| name.strip_prefix("SIG") == Some(short);

    if let Some((_, variant)) = NAMES.iter().find(|(name, _)| is_it(name)) {
        return Ok(variant);
    }
    match NEVER.iter().find(|name| is_it(name)) {
        Some(name) => {
            Err(format!("`{name}` cannot be a source: no program can catch it and go on"))
        }
        None => Err(format!("there is no signal {text:?}: write a name such as \"SIGTERM\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_and_case_are_optional() {
        for text in ["SIGTERM", "TERM", "sigterm", "term", "SigTerm"] {
            assert_eq!(variant(text), Ok("Term"), "{text}");
        }
        assert_eq!(variant("SIGALRM"), Ok("Alarm"));
    }

    #[test]
    fn names_match_variants() {
        use std::str::FromStr;
        for (name, variant) in NAMES {
            let signal = cancelable::Signal::from_str(name).unwrap();
            assert_eq!(format!("{signal:?}"), variant);
            assert_eq!(signal.name(), name);
        }
        for name in NEVER {
            assert!(cancelable::Signal::from_str(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn uncatchable() {
        let message = "`SIGKILL` cannot be a source: no program can catch it and go on";
        assert_eq!(variant("kill"), Err(message.to_owned()));
        let message = "`SIGBUS` cannot be a source: no program can catch it and go on";
        assert_eq!(variant("bus"), Err(message.to_owned()));
        for name in NEVER {
            assert!(variant(name).is_err(), "{name}");
        }
    }

    #[test]
    fn crate_refuses_the_same() {
        use std::str::FromStr;
        for name in NEVER {
            let signal = cancelable::Signal::from_str(name).unwrap();
            assert!(cancelable::signal(signal).is_err(), "{name}");
        }
    }

    #[test]
    fn unknown_names() {
        let message = "there is no signal \"SIGFOO\": write a name such as \"SIGTERM\"";
        assert_eq!(variant("SIGFOO"), Err(message.to_owned()));
        for text in ["", "SIG", "SIGSIGTERM", "15", " SIGTERM"] {
            assert!(variant(text).is_err(), "{text:?}");
        }
    }
}
