//! Tuples of sources of different types, polled in place and without allocation.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::{MaybeDone, maybe_done};
use pin_project::pin_project;

use super::earliest::{Earliest, Limits};
use super::{Sources, sealed};
use crate::poll_context;
use crate::reason::Reason;
use crate::source::Source;
use crate::wait::is_probe;

/// Finds the time limit of an `all_of`, which an operation then reports as its deadline.
///
/// The limit of an `all_of` is the latest limit of its sources. If a pending source has no limit, the `all_of` has none
/// either, because that source may never fire.
#[derive(Debug, Default)]
struct Latest {
    latest: Option<Instant>,
    /// Whether a pending source has no limit.
    unlimited: bool,
}

impl Latest {
    /// Polls one source and returns whether it is pending.
    fn poll(&mut self, poll: impl FnOnce() -> bool) -> bool {
        let Some(since) = poll_context::operation_start() else { return poll() };
        let (pending, limit) = poll_context::ask_for_limit(since, poll);
        self.latest = self.latest.max(limit);
        self.unlimited |= pending && limit.is_none();
        pending
    }

    fn offer(self) {
        if let Some(latest) = self.latest.filter(|_| !self.unlimited) {
            poll_context::offer_limit(latest);
        }
    }
}

macro_rules! tuples {
    ($($first:ident $every:ident ($($field:ident: $S:ident),*);)*) => {$(
        #[pin_project]
        #[derive(Debug)]
        pub struct $first<$($S),*> {
            $(#[pin] $field: $S,)*
            limits: Limits,
        }

        impl<$($S: Future<Output = Reason>),*> Future for $first<$($S),*> {
            type Output = Reason;

            // A poll of two pending sources, with the race around it, takes 60 instructions if this is inlined, and
            // 88 if not.
            #[inline(always)]
            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
                if !self.limits.are_known() && !is_probe(cx.waker()) {
                    return self.register(cx);
                }
                let this = self.as_mut().project();
                let mut index = 0;
                $(
                    if let Poll::Ready(reason) = this.$field.poll(cx) {
                        return Poll::Ready(self.earliest(index, reason, cx));
                    }
                    index += 1;
                )*
                _ = index;
                Poll::Pending
            }
        }

        impl<$($S: Future<Output = Reason>),*> $first<$($S),*> {
            /// Polls the sources for the first time with a waker that they can register, and notes which sources hold a
            /// limit.
            #[inline(never)]
            fn register(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
                let this = self.as_mut().project();
                let mut index = 0;
                $(
                    let polled = this.limits.note(index, || this.$field.poll(cx));
                    if let Poll::Ready(reason) = polled {
                        return Poll::Ready(self.earliest(index, reason, cx));
                    }
                    index += 1;
                )*
                _ = index;
                Poll::Pending
            }

            /// Returns the reason of the source at index `fired`, or the reason of a later source whose limit ended earlier.
            #[inline(never)]
            fn earliest(
                self: Pin<&mut Self>,
                fired: usize,
                reason: Reason,
                cx: &mut Context<'_>,
            ) -> Reason {
                if !self.limits.any_after(fired) {
                    return reason;
                }
                let this = self.project();
                let mut earliest = Earliest::new(reason);
                let mut index = 0;
                $(
                    if index > fired && this.limits.contains(index) {
                        earliest.compare(this.$field.poll(cx));
                    }
                    index += 1;
                )*
                _ = index;
                earliest.reason
            }
        }

        #[pin_project]
        #[derive(Debug)]
        pub struct $every<$($S: Future<Output = Reason>),*> {
            $(#[pin] $field: MaybeDone<$S>,)*
        }

        impl<$($S: Future<Output = Reason>),*> Future for $every<$($S),*> {
            type Output = Vec<Reason>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Reason>> {
                let mut this = self.as_mut().project();
                // Polls all sources, so that each of them registers its waker. `MaybeDone` keeps the reason of each source
                // that has fired.
                let mut pending = false;
                let mut limits = Latest::default();
                $(pending |= limits.poll(|| this.$field.as_mut().poll(cx).is_pending());)*
                if pending {
                    limits.offer();
                    return Poll::Pending;
                }
                Poll::Ready(self.reasons())
            }
        }

        impl<$($S: Future<Output = Reason>),*> $every<$($S),*> {
            /// Takes the reasons out. Not part of `poll`, to keep the stack frame of `poll` small
            /// for nested sources.
            fn reasons(self: Pin<&mut Self>) -> Vec<Reason> {
                let this = self.project();
                [$(this.$field.take_output()),*].into_iter().flatten().collect()
            }
        }

        impl<$($S),*> sealed::Sealed for ($($S,)*) {}

        impl<$($S: Source),*> Sources for ($($S,)*) {
            type First = $first<$($S::Future),*>;
            type Every = $every<$($S::Future),*>;

            // Otherwise the compiler copies the sources of a large tuple once more.
            #[inline(always)]
            fn first(self) -> Self::First {
                let ($($field,)*) = self;
                $first { $($field: $field.into_source(),)* limits: Limits::default() }
            }

            fn every(self) -> Self::Every {
                let ($($field,)*) = self;
                $every { $($field: maybe_done($field.into_source()),)* }
            }
        }
    )*};
}

tuples! {
    First1 Every1 (a: A);
    First2 Every2 (a: A, b: B);
    First3 Every3 (a: A, b: B, c: C);
    First4 Every4 (a: A, b: B, c: C, d: D);
    First5 Every5 (a: A, b: B, c: C, d: D, e: E);
    First6 Every6 (a: A, b: B, c: C, d: D, e: E, f: F);
    First7 Every7 (a: A, b: B, c: C, d: D, e: E, f: F, g: G);
    First8 Every8 (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H);
    First9 Every9 (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I);
    First10 Every10 (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I, j: J);
    First11 Every11 (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I, j: J, k: K);
    First12 Every12 (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I, j: J, k: K, l: L);
}
