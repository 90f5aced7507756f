//! What `#[cancelable]` expands to calls: the body of the function as an operation.
//!
//! Public for that expansion only, and hidden from the documentation.
//!
//! The attribute accepts any error type that can be made from [`Cancelled`]; `Display` is not
//! required. An operation records the text of an error all the same: what `Display` prints, else what
//! `Debug` prints, else the name of the type. Autoderef picks one at compile time:
//! `errors(&work).way()` resolves to the method of [`Errors`] if the error has `Display`, else to
//! the one of [`Debugged`], else to the one of [`Unprintable`].

use std::any::type_name;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;
use std::ops::Deref;

use super::ending::{ErrorOf, error_of_result};
use super::{Cancelable, Fallible};
use crate::error::Cancelled;
use crate::operation::Operation;
use crate::reason::Reason;
use crate::text::Text;

/// Creates an operation. Returns a handle for the race and one for the body.
pub fn operation() -> (Operation, Operation) {
    let operation = Operation::new();
    (operation.clone(), operation)
}

/// Converts the name. If its type is wrong, the compiler reports this call.
pub fn name(name: impl Into<Text>) -> Text {
    name.into()
}

/// Races `work` against `source`, as an operation.
pub fn run<F: Future, S>(
    work: F,
    source: S,
    error_of: ErrorOf<F::Output>,
    operation: Option<Operation>,
    name: Text,
) -> Cancelable<F, S::IntoFuture, Fallible<F::Output>>
where
    S: IntoFuture<Output = Reason>,
{
    let mut run = Cancelable::with_ending(work, source, Fallible::with(error_of));
    run.run_state().set_operation(operation.unwrap_or_else(Operation::new));
    run.named(name)
}

/// Turns the result of that race into one `Result`, for the caller of the function.
pub fn result<T, X: From<Cancelled>>(result: Result<Result<T, X>, Cancelled>) -> Result<T, X> {
    result?
}

/// Returns a marker for the error type of `work`.
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
    pub fn way<T>(&self) -> ErrorOf<Result<T, X>> {
        error_of_result
    }
}

impl<X> Deref for Errors<X> {
    type Target = Debugged<X>;

    fn deref(&self) -> &Debugged<X> {
        &self.0
    }
}

impl<X: Debug> Debugged<X> {
    pub fn way<T>(&self) -> ErrorOf<Result<T, X>> {
        |value, found| {
            if let Err(error) = value {
                found(&format_args!("{error:?}"));
            }
        }
    }
}

impl<X> Deref for Debugged<X> {
    type Target = Unprintable<X>;

    fn deref(&self) -> &Unprintable<X> {
        &self.0
    }
}

impl<X> Unprintable<X> {
    pub fn way<T>(&self) -> ErrorOf<Result<T, X>> {
        |value, found| {
            if value.is_err() {
                found(&type_name::<X>());
            }
        }
    }
}
