//! `Fault`: what a test makes go wrong between a process and the store.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A call that a process makes to the store, as the closure of [`Memory::with_faults`](super::Memory::with_faults)
/// sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// [`Engine::connect`](crate::Engine::connect).
    Connect,
    /// [`Engine::poll`](crate::Engine::poll).
    Poll,
    /// [`Engine::begin`](crate::Engine::begin).
    Begin,
    /// [`Engine::finish`](crate::Engine::finish).
    Finish,
    /// [`Engine::request`](crate::Engine::request).
    Request,
    /// [`Engine::unblock`](crate::Engine::unblock).
    Unblock,
    /// [`Engine::targets`](crate::Engine::targets).
    Targets,
    /// [`Engine::processes`](crate::Engine::processes).
    Processes,
    /// [`Engine::forget`](crate::Engine::forget).
    Forget,
    /// [`Engine::leave`](crate::Engine::leave).
    Leave,
    /// A hint that arrives.
    Hint,
}

/// What happens to a [`Call`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call works.
    None,
    /// The call never reaches the store, and fails. A hint is lost.
    Before,
    /// The call takes effect, but its answer is lost, so it fails. A hint is lost.
    After,
    /// The call takes effect twice. A hint arrives twice.
    Twice,
    /// The call takes effect after this time. A hint arrives after this time.
    Late(Duration),
    /// The call takes effect, but its answer never comes. A hint is lost.
    Silent,
}

/// The error of a call that a [`Fault`] made fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    pub(super) call: Call,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store cannot be reached: {:?} failed", self.call)
    }
}

impl Error for Unreachable {}
