//! Polling after completion panics.

use super::*;

#[test]
#[should_panic(expected = "`Cancelable` polled after completion")]
fn after_a_value() {
    let _watchdog = support::watchdog();
    let mut run = pin!(async { 7 }.cancelable(never()));
    assert!(poll_once(run.as_mut()).is_ready());
    let _ = poll_once(run);
}

#[test]
#[should_panic(expected = "`Cancelable` polled after completion")]
fn after_a_cancellation() {
    let _watchdog = support::watchdog();
    let mut run = pin!(pending::<()>().cancelable(cancelled_token("stop")));
    assert!(poll_once(run.as_mut()).is_ready());
    let _ = poll_once(run);
}

#[test]
#[should_panic(expected = "polled after completion")]
fn fallible() {
    let _watchdog = support::watchdog();
    let mut run = pin!(async { io::Result::Ok(7) }.try_cancelable(never()));
    assert!(poll_once(run.as_mut()).is_ready());
    let _ = poll_once(run);
}
