//! Unregistering a callback: whether it came in time, and waiting for a callback that is running.

use std::future::Future;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;

use cancelable::source::Registration;
use cancelable::{CancellationToken, Reason};

use crate::support::{self, Wakes, block_on};

#[test]
fn in_time() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let register = || {
        let runs = runs.clone();
        token.on_cancel(move |_| _ = runs.fetch_add(1, Ordering::SeqCst))
    };
    assert!(register().unregister());
    assert!(block_on(register().unregister_and_wait()));
    assert!(register().blocking_unregister());
    let stays = register();
    token.cancel();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(!stays.unregister());
}

#[test]
fn too_late() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let registrations = [(); 3].map(|()| token.on_cancel(|_| {}));
    token.cancel();
    let [first, second, third] = registrations;
    assert!(!first.unregister());
    assert!(!block_on(second.unregister_and_wait()));
    assert!(!third.blocking_unregister());
    assert!(!token.on_cancel(|_| {}).unregister(), "it ran at once");
}

/// Another thread cancels at the same time. The returned value is right: the callback runs if and only if `unregister` came
/// too late.
#[test]
fn while_another_thread_cancels() {
    let _watchdog = support::watchdog();
    for round in 0..500 {
        let (token, ran) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let note = ran.clone();
        let registration = token.on_cancel(move |_| note.store(true, Ordering::SeqCst));
        let remote = token.clone();
        let canceller = thread::spawn(move || remote.cancel());
        if round % 2 == 0 {
            token.blocking_wait();
        }
        let in_time = if round % 4 < 2 {
            let in_time = registration.unregister();
            canceller.join().unwrap();
            in_time
        } else {
            registration.blocking_unregister()
        };
        assert_eq!(ran.load(Ordering::SeqCst), !in_time);
    }
}

/// The methods of a registration return the same values after its token has been dropped.
#[test]
fn token_is_gone() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let registration = token.on_cancel(|_| {});
    drop(token);
    assert!(registration.unregister(), "it never ran");

    let token = CancellationToken::new();
    let registration = token.on_cancel(|_| {});
    token.cancel();
    drop(token);
    assert!(!registration.unregister());
}

/// The caller registers the callback while it holds a lock that the callback takes, although the token is already cancelled.
#[test]
fn no_call_under_the_lock_of_the_caller() {
    let _watchdog = support::watchdog();
    let (token, queue) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
    token.cancel_with("stop");
    let mut held = queue.lock().unwrap();
    let (other, called) = (queue.clone(), Arc::new(AtomicBool::new(false)));
    let note = called.clone();
    let registered = token.try_on_cancel(move |reason| {
        note.store(true, Ordering::SeqCst);
        other.lock().unwrap().push(reason.to_string());
    });
    held.push("registered".to_owned());
    drop(held);
    assert!(!called.load(Ordering::SeqCst));
    let callback = registered.unwrap_err();
    callback(&token.reason().unwrap());
    assert_eq!(*queue.lock().unwrap(), ["registered", "cancelled: stop"]);
}

#[test]
fn tried_in_time() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let token = parent.child_token();
    let (sender, receiver) = channel();
    let registration = token.try_on_cancel(move |_| sender.send(7).unwrap()).ok().unwrap();
    parent.cancel();
    assert_eq!(receiver.recv(), Ok(7));
    assert!(!registration.unregister());
    assert!(token.child_token().try_on_cancel(|_| {}).is_err(), "cancelled with its parent");
}

/// Returns a registration whose callback has begun and waits for the test.
fn running() -> (Registration, Sender<()>, thread::JoinHandle<bool>, Arc<AtomicBool>) {
    let token = CancellationToken::new();
    let (begun, has_begun) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let over = Arc::new(AtomicBool::new(false));
    let note = over.clone();
    let registration = token.on_cancel(move |_| {
        begun.send(()).unwrap();
        may_go_on.lock().unwrap().recv().unwrap();
        note.store(true, Ordering::SeqCst);
    });
    let canceller = thread::spawn(move || token.cancel());
    has_begun.recv().unwrap();
    (registration, go_on, canceller, over)
}

#[test]
fn waits_for_a_running_callback() {
    let _watchdog = support::watchdog();
    let (registration, go_on, canceller, over) = running();
    let wakes = Wakes::new();
    let mut waiting = pin!(registration.unregister_and_wait());
    assert!(wakes.poll(waiting.as_mut()).is_pending());
    assert!(!over.load(Ordering::SeqCst));
    go_on.send(()).unwrap();
    wakes.wait(1);
    assert!(over.load(Ordering::SeqCst));
    assert_eq!(wakes.poll(waiting), std::task::Poll::Ready(false));
    assert!(canceller.join().unwrap());
}

#[test]
fn thread_waits_for_a_running_callback() {
    let _watchdog = support::watchdog();
    let (registration, go_on, canceller, over) = running();
    let waiter =
        thread::spawn(move || (registration.blocking_unregister(), over.load(Ordering::SeqCst)));
    go_on.send(()).unwrap();
    assert_eq!(waiter.join().unwrap(), (false, true));
    assert!(canceller.join().unwrap());
}

/// `unregister` does not wait.
#[test]
fn running_callback_is_too_late() {
    let _watchdog = support::watchdog();
    let (registration, go_on, canceller, over) = running();
    assert!(!registration.unregister() && !over.load(Ordering::SeqCst));
    go_on.send(()).unwrap();
    assert!(canceller.join().unwrap());
}

/// Blocks the thread that wakes it until the test lets it continue.
struct BlockingWaker {
    begun: Mutex<Sender<()>>,
    may_go_on: Mutex<Receiver<()>>,
}

impl Wake for BlockingWaker {
    fn wake(self: Arc<Self>) {
        self.begun.lock().unwrap().send(()).unwrap();
        self.may_go_on.lock().unwrap().recv().unwrap();
    }
}

/// Waiters are woken before callbacks run. If a waiter then drops a registration, it is in time, although the token is
/// cancelled: the callback never runs, and nothing of it is kept.
#[test]
fn dropped_before_the_callbacks_run() {
    let _watchdog = support::watchdog();
    let (token, called) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
    let note = called.clone();
    let registration = token.on_cancel(move |_| note.store(true, Ordering::SeqCst));
    let ((begun, has_begun), (go_on, may_go_on)) = (channel(), channel::<()>());
    let waker = BlockingWaker { begun: Mutex::new(begun), may_go_on: Mutex::new(may_go_on) };
    let waker = Waker::from(Arc::new(waker));
    let mut waiting = pin!(token.cancelled());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let remote = token.clone();
    let canceller = thread::spawn(move || remote.cancel_with("stop"));
    has_begun.recv().unwrap();
    assert_eq!(token.blocking_wait(), Reason::manual("stop"));
    drop(registration);
    assert_eq!(Arc::strong_count(&called), 1, "the callback is gone");
    go_on.send(()).unwrap();
    assert!(canceller.join().unwrap());
    assert!(!called.load(Ordering::SeqCst));
}

/// Dropping the registration of a running callback neither waits for the callback nor stops it.
#[test]
fn dropped_while_the_callback_runs() {
    let _watchdog = support::watchdog();
    let (registration, go_on, canceller, over) = running();
    drop(registration);
    assert!(!over.load(Ordering::SeqCst));
    go_on.send(()).unwrap();
    assert!(canceller.join().unwrap());
    assert!(over.load(Ordering::SeqCst));
}

/// A callback that unregisters itself does not wait for its own end.
#[test]
fn from_within_the_callback() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let own = Arc::new(Mutex::new(None::<Registration>));
    let (slot, (sender, receiver)) = (own.clone(), channel());
    let registration = token.on_cancel(move |_| {
        let registration = slot.lock().unwrap().take().unwrap();
        sender.send(registration.blocking_unregister()).unwrap();
    });
    *own.lock().unwrap() = Some(registration);
    token.cancel();
    assert_eq!(receiver.recv(), Ok(false));
}

#[test]
fn panicked_callback_is_over() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let registration = token.on_cancel(|_| panic_any("as it must"));
    token.cancel();
    assert!(!registration.blocking_unregister());
}

#[test]
#[should_panic(expected = "`Unregister` polled after completion")]
fn polled_after_completion() {
    let _watchdog = support::watchdog();
    let mut waiting = pin!(CancellationToken::new().on_cancel(|_| {}).unregister_and_wait());
    assert!(support::poll_once(waiting.as_mut()).is_ready());
    let _ = support::poll_once(waiting);
}
