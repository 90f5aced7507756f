//! What the attribute writes into a function: the run as an operation, whatever its error can say.
//!
//! None of this is part of the public surface: only what the attribute expands to calls it.
//!
//! The status of an operation asks what an error says, but the attribute asks of an error no more
//! than that it can be made from [`Cancelled`]. So each error is carried through the race in a
//! [`Told`], which can always say something: what `Display` prints, otherwise what `Debug` prints,
//! otherwise the name of the type. Which of them it is, the compiler finds out where the attribute
//! stands, by looking for the method [`way`](Errors::way) on [`Errors`], then on what that derefs to.

use std::any::type_name;
use std::fmt::{self, Debug, Display};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

use super::TryCancelable;
use crate::{Cancelled, Operation, Reason, Text};

/// A new operation: one handle for the run, and one for the body.
pub fn operation() -> (Operation, Operation) {
    let operation = Operation::new();
    (operation.clone(), operation)
}

/// What names an operation. What cannot be a name is reported at this call.
pub fn name(name: impl Into<Text>) -> Text {
    name.into()
}

/// The race of `work` against `source`, as an operation.
pub fn run<F, S, W, T, X>(
    work: F,
    source: S,
    _way: W,
    operation: Option<Operation>,
    name: Text,
) -> TryCancelable<Telling<F, W>, S::IntoFuture>
where
    F: Future<Output = Result<T, X>>,
    S: IntoFuture<Output = Reason>,
    X: From<Cancelled>,
    W: Way<X>,
{
    let run = TryCancelable::new(Telling { work, way: PhantomData }, source);
    let operation = operation.unwrap_or_else(Operation::new);
    run.map_race(|race| race.observed_as(operation)).named(name)
}

/// What comes out of that race, for the caller of the function.
pub fn result<T, X, W>(result: Result<T, Told<X, W>>) -> Result<T, X> {
    result.map_err(|told| told.error)
}

/// The type of the errors of `work`.
pub fn errors<F: Future<Output = Result<T, X>>, T, X>(_work: &F) -> Errors<X> {
    Errors(Debugged(Unprintable(PhantomData)))
}

/// Errors that may have `Display`.
#[derive(Debug)]
pub struct Errors<X>(Debugged<X>);

/// Errors that have no `Display`, and may have `Debug`.
#[derive(Debug)]
pub struct Debugged<X>(Unprintable<X>);

/// Errors that have neither.
#[derive(Debug)]
pub struct Unprintable<X>(PhantomData<fn() -> X>);

impl<X: Display> Errors<X> {
    pub fn way(&self) -> ByDisplay {
        ByDisplay
    }
}

impl<X> Deref for Errors<X> {
    type Target = Debugged<X>;

    fn deref(&self) -> &Debugged<X> {
        &self.0
    }
}

impl<X: Debug> Debugged<X> {
    pub fn way(&self) -> ByDebug {
        ByDebug
    }
}

impl<X> Deref for Debugged<X> {
    type Target = Unprintable<X>;

    fn deref(&self) -> &Unprintable<X> {
        &self.0
    }
}

impl<X> Unprintable<X> {
    pub fn way(&self) -> ByType {
        ByType
    }
}

/// A way to say something about an error.
pub trait Way<X>: Copy {
    fn say(error: &X, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

#[derive(Clone, Copy, Debug)]
pub struct ByDisplay;

#[derive(Clone, Copy, Debug)]
pub struct ByDebug;

#[derive(Clone, Copy, Debug)]
pub struct ByType;

impl<X: Display> Way<X> for ByDisplay {
    fn say(error: &X, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error.fmt(f)
    }
}

impl<X: Debug> Way<X> for ByDebug {
    fn say(error: &X, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error.fmt(f)
    }
}

impl<X> Way<X> for ByType {
    fn say(_error: &X, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<X>())
    }
}

/// An error, and the way to say something about it.
#[derive(Debug)]
pub struct Told<X, W> {
    error: X,
    way: PhantomData<fn() -> W>,
}

impl<X, W> Told<X, W> {
    fn new(error: X) -> Self {
        Told { error, way: PhantomData }
    }
}

impl<X: From<Cancelled>, W> From<Cancelled> for Told<X, W> {
    fn from(cancelled: Cancelled) -> Self {
        Told::new(cancelled.into())
    }
}

impl<X, W: Way<X>> Display for Told<X, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        W::say(&self.error, f)
    }
}

/// Work whose errors are told that way.
#[derive(Debug)]
#[pin_project]
pub struct Telling<F, W> {
    #[pin]
    work: F,
    way: PhantomData<fn() -> W>,
}

impl<F, W, T, X> Future for Telling<F, W>
where
    F: Future<Output = Result<T, X>>,
{
    type Output = Result<T, Told<X, W>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().work.poll(cx).map_err(Told::new)
    }
}
