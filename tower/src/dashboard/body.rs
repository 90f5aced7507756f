//! `DashboardBody`: a text, or a stream of events.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};

use super::messages::Messages;

/// The body of a response of a [`Dashboard`](super::Dashboard).
///
/// # Cancel safety
///
/// Dropping a stream of events only stops listening.
pub struct DashboardBody(Kind);

enum Kind {
    /// Empty once it has been sent.
    Whole(Bytes),
    Stream(Box<Messages>),
    /// A body of this size that is not sent, because the client has asked for the head only.
    HeadOnly(SizeHint),
}

impl DashboardBody {
    pub(super) fn whole(text: Bytes) -> Self {
        DashboardBody(Kind::Whole(text))
    }

    pub(super) fn stream(messages: Messages) -> Self {
        DashboardBody(Kind::Stream(Box::new(messages)))
    }

    pub(super) fn without_data(self) -> Self {
        DashboardBody(Kind::HeadOnly(self.size_hint()))
    }
}

impl Body for DashboardBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut self.0 {
            Kind::Whole(text) => Some(std::mem::take(text)).filter(|text| !text.is_empty()),
            Kind::Stream(messages) => ready!(Pin::new(messages).poll_next(cx)),
            Kind::HeadOnly(_) => None,
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Whole(text) if text.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(text) => SizeHint::with_exact(text.len() as u64),
            Kind::Stream(_) => SizeHint::default(),
            Kind::HeadOnly(size) => *size,
        }
    }
}

impl fmt::Debug for DashboardBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Whole(_) => "whole",
            Kind::Stream(_) => "events",
            Kind::HeadOnly(_) => "head only",
        };
        f.debug_tuple("DashboardBody").field(&kind).finish()
    }
}
