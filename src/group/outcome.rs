//! `Outcome`: how the results of a group, and of the body of its scope, become the outcome of the group.

use std::marker::PhantomData;

use super::error::TaskError;
use super::shared::{Shared, TaskResult};

/// How a group ends. Sealed: other crates cannot reach this trait.
pub trait Outcome {
    /// The value of a member.
    type Member;
    /// The error of a member.
    type Error;
    /// What the body returns.
    type Body;
    /// The outcome.
    type Value;

    /// Returns whether the body has failed.
    fn body_failed(_body: &Self::Body) -> bool {
        false
    }

    /// Makes the outcome once every member has ended, or once the body has failed.
    fn finish(shared: &Shared<Self::Member, Self::Error>, body: Self::Body) -> Self::Value;

    /// Makes the outcome of a group in which a member has failed. Returns `None` if the outcome is a cancellation.
    fn fail(shared: &Shared<Self::Member, Self::Error>) -> Option<Self::Value>;

    /// Returns whether the outcome is an error.
    fn is_error(_value: &Self::Value) -> bool {
        false
    }
}

/// All results: the outcome of [`join`](crate::TaskGroup::join).
#[derive(Debug)]
pub struct AllResults<T, E>(PhantomData<(T, E)>);

impl<T, E> Outcome for AllResults<T, E> {
    type Member = T;
    type Error = E;
    type Body = ();
    type Value = Vec<TaskResult<T, E>>;

    fn finish(shared: &Shared<T, E>, (): ()) -> Self::Value {
        shared.take_results()
    }

    fn fail(shared: &Shared<T, E>) -> Option<Self::Value> {
        Some(shared.take_results())
    }
}

/// All values, or the first failure: the outcome of [`try_join`](crate::TaskGroup::try_join).
#[derive(Debug)]
pub struct AllValues<T, E>(PhantomData<(T, E)>);

impl<T, E> Outcome for AllValues<T, E> {
    type Member = T;
    type Error = E;
    type Body = ();
    type Value = Result<Vec<T>, TaskError<E>>;

    fn finish(shared: &Shared<T, E>, (): ()) -> Self::Value {
        shared.try_take_results()
    }

    fn fail(shared: &Shared<T, E>) -> Option<Self::Value> {
        Some(shared.try_take_results())
    }

    fn is_error(value: &Self::Value) -> bool {
        value.is_err()
    }
}

/// The value of the body: the outcome of [`scope`](crate::TaskGroup::scope).
#[derive(Debug)]
pub struct OfBody<R, T, E>(PhantomData<(R, T, E)>);

impl<R, T, E> Outcome for OfBody<R, T, E> {
    type Member = T;
    type Error = E;
    type Body = R;
    type Value = R;

    fn finish(_shared: &Shared<T, E>, body: R) -> R {
        body
    }

    fn fail(_shared: &Shared<T, E>) -> Option<R> {
        None
    }
}

/// The `Result` of the body, or the failure of a member: the outcome of [`try_scope`](crate::TaskGroup::try_scope).
#[derive(Debug)]
pub struct OfTryBody<R, T, E>(PhantomData<(R, T, E)>);

impl<R, X, T, E> Outcome for OfTryBody<Result<R, X>, T, E>
where
    X: From<TaskError<E>>,
{
    type Member = T;
    type Error = E;
    type Body = Result<R, X>;
    type Value = Result<R, X>;

    fn body_failed(body: &Self::Body) -> bool {
        body.is_err()
    }

    fn finish(_shared: &Shared<T, E>, body: Self::Body) -> Self::Value {
        body
    }

    fn fail(shared: &Shared<T, E>) -> Option<Self::Value> {
        Some(Err(shared.take_failure()?.into()))
    }

    fn is_error(value: &Self::Value) -> bool {
        value.is_err()
    }
}
