//! Runs code of others so that its panic harms nobody else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::warn;

/// Runs `f`. A panic in it ends here: the message comes back as the error.
///
/// The process's panic hook has printed the panic by then, so it is never silent. It is told as a
/// warning too.
///
/// `AssertUnwindSafe` is right for every caller: what `f` touched is either dropped afterwards or
/// belongs to whoever wrote `f`.
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let text = message(&*payload);
        // The destructor of a payload may panic too, and so may whoever hears the warning.
        silence(|| drop(payload));
        silence(|| warn::panicked(&text));
        text
    })
}

/// Runs `f`. What a panic in it carries is leaked rather than dropped, which might panic again.
fn silence(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        std::mem::forget(payload);
    }
}

/// What the panic said, where it said it in words.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => (*text).to_owned(),
        None => match payload.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => "a panic without a message".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::contain;
    use std::panic::panic_any;

    #[test]
    fn passes_results_through() {
        assert_eq!(contain(|| 7), Ok(7));
    }

    #[test]
    fn tells_what_the_panic_said() {
        assert_eq!(contain(|| panic!("plain")), Err::<(), _>("plain".into()));
        assert_eq!(contain(|| panic!("{}", 7)), Err::<(), _>("7".into()));
    }

    #[test]
    fn survives_a_payload_that_panics_when_dropped() {
        struct Hostile;
        impl Drop for Hostile {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let said = contain(|| panic_any(Hostile));
        assert_eq!(said, Err::<(), _>("a panic without a message".into()));
    }
}
