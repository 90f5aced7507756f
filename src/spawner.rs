//! `Spawner`: takes over the section that a dropped future leaves unfinished.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::panic::contain;
use crate::poll_context::InShield;

/// A section in a form that a spawner can run.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A function that runs the rest of a section whose future was dropped, for instance by spawning it. Implemented for
/// every `FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>)`.
pub trait Spawner: FnOnce(Task) {}

impl<P: FnOnce(Task)> Spawner for P {}

/// Hands a section to a spawner. A panic of either closure is contained.
pub(crate) fn hand_over<F>(spawner: impl Spawner, section: impl FnOnce() -> Pin<Box<F>>)
where
    F: Future + Send + ?Sized + 'static,
{
    // This runs in a destructor, perhaps during another panic, where a second panic would abort the process. The panic
    // hook has printed the panic, and no caller could do more about it.
    let _ = contain(|| spawner(Box::pin(Rest(section()))));
}

/// The rest of a section. It is polled as a section, even if the spawner puts an operation around it. So code in it
/// finds that it is shielded.
struct Rest<F: ?Sized>(Pin<Box<F>>);

impl<F: Future + ?Sized> Future for Rest<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _inside = InShield::enter();
        self.0.as_mut().poll(cx).map(drop)
    }
}
