//! `Sources`: what `any_of` and `all_of` take: tuples, arrays and vectors of sources.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{JoinAll, SelectAll, join_all, select_all};

use crate::{Reason, ambient};

/// A list of sources: a tuple of up to twelve of any types, an array, a `Vec` or a boxed slice of
/// one type.
///
/// Each may be anything that [becomes](IntoFuture) a future of a [`Reason`], `&token` for instance.
/// Tuples are polled in place. Arrays, vectors and slices allocate, once. For an iterator,
/// `collect` it into a `Vec`.
///
/// This trait is sealed: [`any_of`](crate::any_of()) and [`all_of`](crate::all_of()) are what it is
/// for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of sources",
    label = "not a list of sources",
    note = "`any_of` and `all_of` take one list: a tuple `any_of((a, b))`, an array, or a `Vec`",
    note = "each element is a future of a `Reason`, or a token, or a reference to one"
)]
pub trait Sources: sealed::Sealed {
    /// The first of them.
    #[doc(hidden)]
    type First: Future<Output = Reason>;
    /// All of them.
    #[doc(hidden)]
    type Every: Future<Output = Vec<Reason>>;

    #[doc(hidden)]
    fn first(self) -> Self::First;
    #[doc(hidden)]
    fn every(self) -> Self::Every;
}

pub(super) mod sealed {
    pub trait Sealed {}
}

/// The first of a list. An empty one never fires.
pub struct FirstOf<S> {
    sources: Option<SelectAll<Pin<Box<S>>>>,
}

impl<S: Future<Output = Reason>> FirstOf<S> {
    fn new<I: IntoFuture<IntoFuture = S>>(sources: impl IntoIterator<Item = I>) -> Self {
        let sources: Vec<_> =
            sources.into_iter().map(|source| Box::pin(source.into_future())).collect();
        // `select_all` of nothing panics.
        FirstOf { sources: (!sources.is_empty()).then(|| select_all(sources)) }
    }
}

impl<S: Future<Output = Reason>> Future for FirstOf<S> {
    type Output = Reason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        match &mut self.sources {
            None => Poll::Pending,
            Some(sources) => Pin::new(sources).poll(cx).map(|(reason, _index, _others)| reason),
        }
    }
}

/// All of a list. An empty one never fires.
pub struct EveryOf<S: Future<Output = Reason>> {
    sources: Option<JoinAll<S>>,
}

impl<S: Future<Output = Reason>> EveryOf<S> {
    fn new<I: IntoFuture<IntoFuture = S>>(sources: impl IntoIterator<Item = I>) -> Self {
        let sources: Vec<_> = sources.into_iter().map(IntoFuture::into_future).collect();
        // `join_all` of nothing is ready at once.
        EveryOf { sources: (!sources.is_empty()).then(|| join_all(sources)) }
    }
}

impl<S: Future<Output = Reason>> Future for EveryOf<S> {
    type Output = Vec<Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Reason>> {
        match &mut self.sources {
            None => Poll::Pending,
            // Which of them are limits is not known, so that nothing is certain.
            Some(sources) => ambient::ignore_limits(|| Pin::new(sources).poll(cx)),
        }
    }
}

impl<S> fmt::Debug for FirstOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirstOf")
    }
}

impl<S: Future<Output = Reason>> fmt::Debug for EveryOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EveryOf")
    }
}

macro_rules! lists {
    ($(($($generics:tt)*) $list:ty;)*) => {$(
        impl<$($generics)*> sealed::Sealed for $list {}

        impl<$($generics)*> Sources for $list
        where
            S: IntoFuture<Output = Reason>,
        {
            type First = FirstOf<S::IntoFuture>;
            type Every = EveryOf<S::IntoFuture>;

            fn first(self) -> Self::First {
                FirstOf::new(self)
            }

            fn every(self) -> Self::Every {
                EveryOf::new(self)
            }
        }
    )*};
}

lists! {
    (S) Vec<S>;
    (S) Box<[S]>;
    (S, const N: usize) [S; N];
}
