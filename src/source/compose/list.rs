//! Arrays, vectors and boxed slices as lists of sources.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{JoinAll, SelectAll, join_all, select_all};

use super::{Sources, sealed};
use crate::poll_context;
use crate::reason::Reason;

/// Ready when the first source of a list is. Never, if the list is empty.
pub struct FirstOf<S> {
    sources: Option<SelectAll<Pin<Box<S>>>>,
}

impl<S: Future<Output = Reason>> FirstOf<S> {
    fn new<I: IntoFuture<IntoFuture = S>>(sources: impl IntoIterator<Item = I>) -> Self {
        let sources: Vec<_> =
            sources.into_iter().map(|source| Box::pin(source.into_future())).collect();
        // `select_all` panics if its list is empty.
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

/// Ready when all sources of a list have been. Never, if the list is empty.
pub struct EveryOf<S: Future<Output = Reason>> {
    sources: Option<JoinAll<S>>,
}

impl<S: Future<Output = Reason>> EveryOf<S> {
    fn new<I: IntoFuture<IntoFuture = S>>(sources: impl IntoIterator<Item = I>) -> Self {
        let sources: Vec<_> = sources.into_iter().map(IntoFuture::into_future).collect();
        // `join_all` of an empty list is ready at once.
        EveryOf { sources: (!sources.is_empty()).then(|| join_all(sources)) }
    }
}

impl<S: Future<Output = Reason>> Future for EveryOf<S> {
    type Output = Vec<Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Reason>> {
        match &mut self.sources {
            None => Poll::Pending,
            // `join_all` hides which sources have a limit, so the list reports none.
            Some(sources) => poll_context::ignore_limits(|| Pin::new(sources).poll(cx)),
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
