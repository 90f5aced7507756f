//! The signal hub: the one place in the process that listens for operating system signals.
//!
//! Each kind of signal that a source has ever listened to has a queue, to which the signal handler writes. The hub also has
//! a list of the sets of signals that sources listen to. Each set has one [`Latch`]. A delivered signal sets the latches of
//! all sets that contain the signal, and removes those sets from the list. A source that is created later gets a new latch.
//! So each source sees the first signal that is delivered after its creation.
//!
//! The hub needs no task: the reactor wakes the hub, and the hub then reads its queues on the reactor's thread.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

use async_signal::Signals;
use futures::Stream;

use crate::reason::end_by;
use crate::signal_kind::Signal;
use crate::sync::{AtomicUsize, Mutex, Ordering};
use crate::wait::Latch;

static HUB: LazyLock<Arc<Hub>> = LazyLock::new(Arc::default);

/// Returns a latch that is set when the next signal in `set` is delivered.
pub(super) fn listen(set: SignalSet) -> io::Result<Arc<Latch<Signal>>> {
    HUB.listen(set)
}

/// Makes the process end at the second signal in `set`, counted from this call.
pub(super) fn exit_on_second(set: SignalSet) {
    let mut state = HUB.state.lock();
    let set = SignalSet(state.exit_on_second.set.0 | set.0);
    state.exit_on_second = ExitOnSecond { set, received_first: false };
}

/// A set of signals that can be caught. Bit N stands for the signal at index N of [`Signal::ALL`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SignalSet(u64);

impl SignalSet {
    pub(super) fn new(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        let mut set = 0;
        for signal in signals {
            check_catchable(signal)?;
            set |= SignalSet::bit(signal);
        }
        if set == 0 {
            let message = "the list of signals is empty: name at least one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(SignalSet(set))
    }

    fn bit(signal: Signal) -> u64 {
        1 << (signal as u32)
    }

    fn contains(self, signal: Signal) -> bool {
        self.0 & SignalSet::bit(signal) != 0
    }

    fn signals(self) -> impl Iterator<Item = Signal> {
        Signal::ALL.iter().copied().filter(move |signal| self.contains(*signal))
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.signals()).finish()
    }
}

/// Rejects signals that no program can or should catch, and signals that the platform lacks.
fn check_catchable(signal: Signal) -> io::Result<()> {
    match signal {
        // `SIGKILL` and `SIGSTOP` cannot be caught. The other signals report a fault. After their handler returns, the
        // faulting instruction runs again and causes the same signal, for ever.
        Signal::Kill | Signal::Stop | Signal::Ill | Signal::Fpe | Signal::Segv | Signal::Bus => {
            let message = format!("{signal} cannot be caught");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
        signal if cfg!(unix) || signal == Signal::Int => Ok(()),
        signal => {
            let message = format!("this platform has no {}", signal.name());
            Err(io::Error::new(io::ErrorKind::Unsupported, message))
        }
    }
}

#[derive(Default)]
struct Hub {
    state: Mutex<State>,
    /// How often the reactor has woken the hub since a thread began to read the queues. 0 while no thread reads.
    wakes: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// The queue of each kind of signal that a source has ever listened to.
    ///
    /// Each kind has a queue of its own, because a full queue drops signals. With separate queues, a dropped signal does no
    /// harm: an earlier signal of the same kind is still in the queue and will be delivered.
    queues: Vec<(Signal, Signals)>,
    /// One latch for each set that sources listen to. A program has only a few sets, so a list is enough.
    latches: Vec<(SignalSet, Arc<Latch<Signal>>)>,
    exit_on_second: ExitOnSecond,
}

/// For `second_signal_exits`: the first signal cancels, the second one ends the process.
#[derive(Clone, Copy, Default)]
struct ExitOnSecond {
    set: SignalSet,
    received_first: bool,
}

/// A signal that was read from its queue.
struct Delivery {
    signal: Signal,
    /// The latches of every set that contains the signal.
    latches: Vec<Arc<Latch<Signal>>>,
    /// Whether the signal ends the process.
    exit: bool,
}

impl Hub {
    fn listen(self: &Arc<Self>, set: SignalSet) -> io::Result<Arc<Latch<Signal>>> {
        let mut state = self.state.lock();
        if let Some((_, latch)) = state.latches.iter().find(|(known, _)| *known == set) {
            return Ok(latch.clone());
        }
        // Open the descriptors of all new queues before registering any signal: if there are not
        // enough descriptors, every signal keeps its default action.
        let mut queues = Vec::new();
        let is_new = |signal: &Signal| state.queues.iter().all(|(known, _)| known != signal);
        for signal in set.signals().filter(is_new) {
            queues.push((signal, Signals::new::<async_signal::Signal>([])?));
        }
        for (signal, queue) in &mut queues {
            queue.add_signals([signal.registrable()])?;
        }
        let added = !queues.is_empty();
        state.queues.extend(queues);
        let latch = Arc::new(Latch::new());
        state.latches.push((set, latch.clone()));
        drop(state);
        if added {
            // Read the new queues once, to register the hub's waker with the reactor. Otherwise the reactor would not wake
            // the hub when a signal arrives.
            self.clone().wake();
        }
        Ok(latch)
    }

    /// Reads the signals that have arrived and sets their latches, with no lock held.
    fn deliver(&self, waker: &Waker) {
        let mut cx = Context::from_waker(waker);
        loop {
            let deliveries = self.read(&mut cx);
            if deliveries.is_empty() {
                return;
            }
            for Delivery { signal, latches, exit } in deliveries {
                if exit {
                    end_by(signal);
                }
                for latch in latches {
                    if let Some(waiters) = latch.set(signal) {
                        waiters.wake_all();
                    }
                }
            }
        }
    }

    /// Reads at most one signal of each kind, so that a flood of one kind does not hold up the others. Also removes from the
    /// list the latches that must be set for these signals.
    fn read(&self, cx: &mut Context<'_>) -> Vec<Delivery> {
        let mut state = self.state.lock();
        let State { queues, latches, exit_on_second } = &mut *state;
        let mut deliveries = Vec::new();
        for (signal, queue) in queues {
            let signal = *signal;
            if !has_arrived(queue, cx) {
                continue;
            }
            let exit = exit_on_second.set.contains(signal)
                && std::mem::replace(&mut exit_on_second.received_first, true);
            let mut removed = Vec::new();
            latches.retain(|(set, latch)| {
                if !set.contains(signal) {
                    return true;
                }
                removed.push(latch.clone());
                false
            });
            deliveries.push(Delivery { signal, latches: removed, exit });
        }
        deliveries
    }
}

/// Takes a signal out of a queue, and returns whether there was one. If the queue is empty, the reactor wakes the hub when
/// the next signal arrives.
///
/// A queue that cannot be read, for instance because its descriptor was closed, counts as empty.
fn has_arrived(queue: &mut Signals, cx: &mut Context<'_>) -> bool {
    loop {
        match Pin::new(&mut *queue).poll_next(cx) {
            Poll::Ready(Some(Ok(_))) => return true,
            Poll::Ready(Some(Err(error))) if error.kind() == io::ErrorKind::Interrupted => {}
            Poll::Ready(_) | Poll::Pending => return false,
        }
    }
}

/// The waker that the reactor calls when a signal has arrived.
impl Wake for Hub {
    fn wake(self: Arc<Self>) {
        // The first caller reads, and reads again if the count has grown during the read. Meanwhile, any other call only
        // adds to the count, whether it comes from inside the read or from another thread. So no wake-up blocks, and none is
        // lost.
        if self.wakes.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let waker = Waker::from(self.clone());
        loop {
            let wakes = self.wakes.load(Ordering::Acquire);
            self.deliver(&waker);
            let done = self.wakes.compare_exchange(wakes, 0, Ordering::AcqRel, Ordering::Acquire);
            if done.is_ok() {
                return;
            }
        }
    }
}
