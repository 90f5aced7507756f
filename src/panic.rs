//! Panics in user code: contained where they happen, and reported as warnings.
//!
//! Wakers, hooks, predicates and destructors are user code. Wherever one of them is called in the middle of
//! something that must be finished, the call goes through a function of this file, so that a panic there
//! affects nothing else (guarantee 12).

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use crate::frame::{OutsideWork, is_dropping};

#[cfg(feature = "tracing")]
macro_rules! warning {
    ($($what:tt)*) => { tracing::warn!(target: "cancelable", $($what)*) };
}

/// Without the feature `tracing`, warnings go nowhere.
#[cfg(not(feature = "tracing"))]
macro_rules! warning {
    ($name:ident = %$value:expr, $text:literal) => {
        _ = $value
    };
}

/// Runs user code. If the code panics, returns the message of the panic.
///
/// A panic is never silent: the panic hook of the process has printed it before this function returns. It is also reported
/// as a warning.
///
/// `AssertUnwindSafe` is right for every caller: what `f` touched is either dropped afterwards or
/// belongs to the user code.
#[inline]
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    let call = || {
        // A race around this call may be about to drop its work. User code is not part of that work, so the frame hides such
        // a race from it.
        let _outside = OutsideWork::enter();
        f()
    };
    catch_unwind(AssertUnwindSafe(call)).map_err(report)
}

#[cold]
fn report(payload: Box<dyn Any + Send>) -> String {
    let text = message(&*payload);
    // The payload's destructor may panic as well, and so may a subscriber of `tracing`.
    contain_silently(|| drop(payload));
    contain_silently(|| warning!(panic = %text, "a callback panicked"));
    text
}

/// Runs `f`. If `f` panics, leaks the payload of the panic, because its destructor might panic again.
fn contain_silently(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        std::mem::forget(payload);
    }
}

/// Returns the message of a panic, or a text that stands for a missing message.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => (*text).to_owned(),
        None => match payload.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => "a panic without a message".to_owned(),
        },
    }
}

/// Wakes a task. A panic of the waker is contained.
pub(crate) fn wake(waker: Waker) {
    // If the waker panics, the panic is printed. No caller could do more about it.
    let _ = contain(|| waker.wake());
}

/// Drops a value whose destructor is user code, such as a waker. A panic of the destructor is contained.
#[inline]
pub(crate) fn discard<T>(value: T) {
    if !std::mem::needs_drop::<T>() {
        return;
    }
    if is_dropping() {
        discard_outside_work(value);
    } else if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // `contain` would also enter `OutsideWork`, which would change nothing here. Without that, this takes half as many
        // instructions.
        report(payload);
    }
}

// Not inlined, so that `discard` saves few registers.
#[cold]
#[inline(never)]
fn discard_outside_work<T>(value: T) {
    let _ = contain(|| drop(value));
}

/// Warns that a future was dropped before its clean-up had finished.
pub(crate) fn warn_clean_up_lost(operation: &dyn Display) {
    warning!(operation = %operation, "clean-up was lost: its future was dropped");
}

#[cfg(test)]
mod tests {
    use super::{contain, discard, wake};
    use std::panic::panic_any;
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    #[test]
    fn results_pass_through() {
        assert_eq!(contain(|| 7), Ok(7));
    }

    #[test]
    fn message_is_returned() {
        assert_eq!(contain(|| panic!("plain")), Err::<(), _>("plain".into()));
        assert_eq!(contain(|| panic!("{}", 7)), Err::<(), _>("7".into()));
    }

    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[test]
    fn payload_may_panic_on_drop() {
        let message = contain(|| panic_any(PanicsOnDrop));
        assert_eq!(message, Err::<(), _>("a panic without a message".into()));
    }

    #[test]
    fn wakers_may_panic() {
        struct Hostile(PanicsOnDrop);

        impl Wake for Hostile {
            fn wake(self: Arc<Self>) {
                let _ = &self.0;
            }
        }

        let hostile = || Waker::from(Arc::new(Hostile(PanicsOnDrop)));
        wake(hostile());
        discard(Some(hostile()));
    }
}
