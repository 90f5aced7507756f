//! `Signal`: the names and numbers of operating system signals.

use std::fmt;
use std::io;
use std::str::FromStr;

macro_rules! signals {
    ($($(#[$cfg:meta])? $variant:ident, $name:literal, $constant:ident, $elsewhere:literal, $doc:literal;)*) => {
        /// An operating system signal.
        ///
        /// A value of this type registers no handler. Creating a [source](crate::signal()) fails if the platform lacks the
        /// signal or if the signal cannot be caught.
        ///
        /// # Examples
        ///
        /// ```
        /// use cancelable::Signal;
        ///
        /// assert_eq!(Signal::Term.to_string(), "SIGTERM (15)");
        /// assert_eq!(Signal::try_from(15)?, Signal::Term);
        /// assert_eq!("SIGTERM".parse::<Signal>()?, Signal::Term);
        /// # std::io::Result::Ok(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Signal {
            $(
                #[doc = concat!("`", $name, "`: ", $doc, ".")]
                $(#[$cfg])?
                $variant,
            )*
        }

        impl Signal {
            /// Every signal of this platform.
            pub(crate) const ALL: &'static [Signal] = &[$($(#[$cfg])? Signal::$variant,)*];

            /// Returns the number of the signal on this platform. If the platform has no such signal,
            /// returns the number that most Unix systems use.
            ///
            /// ```
            /// assert_eq!(cancelable::Signal::Int.number(), 2);
            /// ```
            pub const fn number(self) -> i32 {
                #[cfg(unix)]
                match self {
                    $($(#[$cfg])? Signal::$variant => libc::$constant,)*
                }
                #[cfg(not(unix))]
                match self {
                    $($(#[$cfg])? Signal::$variant => $elsewhere,)*
                }
            }

            /// Returns the name of the signal, such as `"SIGTERM"`.
            ///
            /// ```
            /// assert_eq!(cancelable::Signal::Hup.name(), "SIGHUP");
            /// ```
            pub const fn name(self) -> &'static str {
                match self {
                    $($(#[$cfg])? Signal::$variant => $name,)*
                }
            }

            /// Converts to the type of the crate that registers signals.
            #[cfg(feature = "signal")]
            pub(crate) fn registrable(self) -> async_signal::Signal {
                match self {
                    $($(#[$cfg])? Signal::$variant => async_signal::Signal::$variant,)*
                }
            }
        }
    };
}

signals! {
    Hup, "SIGHUP", SIGHUP, 1, "the terminal was closed; often a request to reload";
    Int, "SIGINT", SIGINT, 2, "Ctrl-C";
    Quit, "SIGQUIT", SIGQUIT, 3, "Ctrl-\\\\";
    Ill, "SIGILL", SIGILL, 4, "an illegal instruction; cannot be a source";
    Trap, "SIGTRAP", SIGTRAP, 5, "a breakpoint";
    Abort, "SIGABRT", SIGABRT, 6, "the process aborts";
    Bus, "SIGBUS", SIGBUS, 7, "a bad memory access; cannot be a source";
    Fpe, "SIGFPE", SIGFPE, 8, "an arithmetic fault; cannot be a source";
    Kill, "SIGKILL", SIGKILL, 9, "the process is killed; cannot be caught";
    Usr1, "SIGUSR1", SIGUSR1, 10, "for use by the program";
    Segv, "SIGSEGV", SIGSEGV, 11, "an invalid memory access; cannot be a source";
    Usr2, "SIGUSR2", SIGUSR2, 12, "for use by the program";
    Pipe, "SIGPIPE", SIGPIPE, 13, "a write to a pipe without readers";
    Alarm, "SIGALRM", SIGALRM, 14, "an alarm clock of the process";
    Term, "SIGTERM", SIGTERM, 15, "a request to terminate";
    Child, "SIGCHLD", SIGCHLD, 17, "a child process stopped or ended";
    Cont, "SIGCONT", SIGCONT, 18, "the process continues after a stop";
    Stop, "SIGSTOP", SIGSTOP, 19, "the process is stopped; cannot be caught";
    Tstp, "SIGTSTP", SIGTSTP, 20, "Ctrl-Z";
    Ttin, "SIGTTIN", SIGTTIN, 21, "a background process reads from the terminal";
    Ttou, "SIGTTOU", SIGTTOU, 22, "a background process writes to the terminal";
    Urg, "SIGURG", SIGURG, 23, "urgent data on a socket";
    Xcpu, "SIGXCPU", SIGXCPU, 24, "the limit of processor time is reached";
    Xfsz, "SIGXFSZ", SIGXFSZ, 25, "the limit of file size is reached";
    Vtalarm, "SIGVTALRM", SIGVTALRM, 26, "an alarm clock of processor time";
    Prof, "SIGPROF", SIGPROF, 27, "the clock of a profiler";
    Winch, "SIGWINCH", SIGWINCH, 28, "the terminal changed its size";
    #[cfg(not(target_os = "haiku"))] Io, "SIGIO", SIGIO, 29, "input or output is possible";
    Sys, "SIGSYS", SIGSYS, 31, "an unknown system call";
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}

/// Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if the platform has no signal with this number, or if the number
/// is that of a real-time signal.
impl TryFrom<i32> for Signal {
    type Error = io::Error;

    fn try_from(number: i32) -> io::Result<Self> {
        let found = Signal::ALL.iter().find(|signal| signal.number() == number);
        found.copied().ok_or_else(|| unknown(format_args!("the number {number}")))
    }
}

/// Accepts the name with or without `SIG`, in any case. Fails with
/// [`InvalidInput`](io::ErrorKind::InvalidInput) for any other text.
impl FromStr for Signal {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let short = |name: &str| name.strip_prefix("SIG").map(str::to_owned);
        let upper = text.to_ascii_uppercase();
        let wanted = short(&upper).unwrap_or(upper);
        let found =
            Signal::ALL.iter().find(|signal| short(signal.name()).as_ref() == Some(&wanted));
        found.copied().ok_or_else(|| unknown(format_args!("the name {text:?}")))
    }
}

fn unknown(what: fmt::Arguments<'_>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("this platform has no signal with {what}"))
}
