//! Arrays, vectors, boxed slices and options as lists of sources.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{JoinAll, join_all};
use pin_project::pin_project;

use super::earliest::{Earliest, Limits};
use super::{Sources, sealed};
use crate::poll_context;
use crate::reason::Reason;
use crate::source::Source;
use crate::wait::is_probe;

/// Resolves when any source of a list fires. Never resolves if the list is empty.
pub struct FirstOf<S> {
    sources: Box<[(Pin<Box<S>>, Limits)]>,
}

impl<S: Future<Output = Reason>> FirstOf<S> {
    fn new<I: Source<Future = S>>(sources: impl IntoIterator<Item = I>) -> Self {
        let sources = sources.into_iter();
        let sources = sources.map(|source| (Box::pin(source.into_source()), Limits::default()));
        FirstOf { sources: sources.collect() }
    }
}

impl<S: Future<Output = Reason>> Future for FirstOf<S> {
    type Output = Reason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let mut sources = self.sources.iter_mut();
        let is_probe = is_probe(cx.waker());
        let fired = sources.find_map(|(source, limits)| {
            let polled = if is_probe || limits.are_known() {
                source.as_mut().poll(cx)
            } else {
                limits.note(0, || source.as_mut().poll(cx))
            };
            match polled {
                Poll::Ready(reason) => Some(reason),
                Poll::Pending => None,
            }
        });
        let Some(reason) = fired else { return Poll::Pending };
        let mut later = sources.filter(|(_, limits)| limits.contains(0)).peekable();
        if later.peek().is_none() {
            return Poll::Ready(reason);
        }
        let mut earliest = Earliest::new(reason);
        later.for_each(|(source, _)| earliest.compare(source.as_mut().poll(cx)));
        Poll::Ready(earliest.reason)
    }
}

/// Resolves once every source of a list has fired. Never resolves if the list is empty.
pub struct EveryOf<S: Future<Output = Reason>> {
    sources: Option<JoinAll<S>>,
}

impl<S: Future<Output = Reason>> EveryOf<S> {
    fn new<I: Source<Future = S>>(sources: impl IntoIterator<Item = I>) -> Self {
        let sources: Vec<_> = sources.into_iter().map(Source::into_source).collect();
        // `join_all` of an empty list would be ready at once, but `all_of([])` must never fire.
        EveryOf { sources: (!sources.is_empty()).then(|| join_all(sources)) }
    }
}

impl<S: Future<Output = Reason>> Future for EveryOf<S> {
    type Output = Vec<Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Reason>> {
        match &mut self.sources {
            None => Poll::Pending,
            // `join_all` hides which sources have a limit, so this future reports no limit.
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
            S: Source,
        {
            type First = FirstOf<S::Future>;
            type Every = EveryOf<S::Future>;

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

/// An optional source, polled in place. Never ready if there is no source.
#[pin_project]
#[derive(Debug)]
pub struct FirstOfOption<S> {
    #[pin]
    source: Option<S>,
}

impl<S: Future<Output = Reason>> Future for FirstOfOption<S> {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        self.project().source.as_pin_mut().map_or(Poll::Pending, |source| source.poll(cx))
    }
}

/// An optional source for `all_of`. Resolves to a list with the reason of the source.
#[pin_project]
#[derive(Debug)]
pub struct EveryOfOption<S> {
    #[pin]
    source: FirstOfOption<S>,
}

impl<S: Future<Output = Reason>> Future for EveryOfOption<S> {
    type Output = Vec<Reason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Reason>> {
        self.project().source.poll(cx).map(|reason| vec![reason])
    }
}

impl<S> sealed::Sealed for Option<S> {}

impl<S: Source> Sources for Option<S> {
    type First = FirstOfOption<S::Future>;
    type Every = EveryOfOption<S::Future>;

    fn first(self) -> Self::First {
        FirstOfOption { source: self.map(Source::into_source) }
    }

    fn every(self) -> Self::Every {
        EveryOfOption { source: self.first() }
    }
}
