//! `StopBy`: how a child is asked to end, and the builder methods that set it.

use crate::signal_kind::Signal;

/// How the child is asked to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopBy {
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no signals to send"))]
    pub(super) signal: Signal,
    /// Whether the child leads a process group of its own. If so, signals go to the whole group.
    pub(super) is_group: bool,
}

impl Default for StopBy {
    fn default() -> Self {
        StopBy { signal: Signal::Term, is_group: false }
    }
}

/// Generates the methods of `Command` and `RunningChild` that set their field `stop`. The argument for each method is its
/// example, after any documentation that applies only to the type with the `impl` block.
macro_rules! stop_methods {
    (
        $(#[$stop_signal:meta])* stop_signal,
        $(#[$process_group:meta])* process_group,
    ) => {
        /// Sets the signal that asks the child to end. The default is SIGTERM.
        ///
        $(#[$stop_signal])*
        #[cfg(unix)]
        pub fn stop_signal(mut self, signal: crate::signal_kind::Signal) -> Self {
            self.stop.signal = signal;
            self
        }

        $(#[$process_group])*
        #[cfg(unix)]
        pub fn process_group(mut self) -> Self {
            self.stop.is_group = true;
            self
        }
    };
}
pub(super) use stop_methods;
