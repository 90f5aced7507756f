//! `Spawner`: a function that starts a task: a member of a group, or the rest of a section whose future was dropped. A
//! section is the code in a shield, or clean-up.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::panic::contain;
use crate::poll_context::InShield;

/// The future that a spawner runs.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A function that runs a future, usually by spawning it as a task. A group gives it the members of the group. A shield or
/// clean-up gives it the rest of a section whose future was dropped.
///
/// Implemented for every `FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>)`.
pub trait Spawner: FnOnce(Task) {}

impl<P: FnOnce(Task)> Spawner for P {}

/// Hands a section to a spawner. A panic of either closure is contained.
pub(crate) fn hand_over<F>(spawner: impl Spawner, section: impl FnOnce() -> Pin<Box<F>>)
where
    F: Future + Send + ?Sized + 'static,
{
    // This runs in a destructor, perhaps during another panic, where a second panic would abort the process. If a closure
    // panics, the panic is printed. No caller could do more about it.
    let _ = contain(|| spawner(Box::pin(Rest(section()))));
}

/// The rest of a section. Each poll enters a shield, so the code in the section still finds that it is shielded, even if the
/// spawner puts an operation around it.
struct Rest<F: ?Sized>(Pin<Box<F>>);

impl<F: Future + ?Sized> Future for Rest<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _inside = InShield::enter();
        self.0.as_mut().poll(cx).map(drop)
    }
}
