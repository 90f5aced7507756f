//! `Answers`: what a client gets when its request is cancelled.

use std::fmt;
use std::sync::Arc;

use cancelable::reason::Reason;
use cancelable::{Cancelled, Registry};
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::request::Parts;
use http::{Response, StatusCode};

/// The user's function that makes an answer.
type Custom = dyn Fn(&Cancelled, &Parts) -> Response<String> + Send + Sync;

/// How cancelled requests are answered.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    pub(crate) custom: Option<Arc<Custom>>,
    /// Whether answers contain the text of the reason.
    pub(crate) explain: bool,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("custom", &self.custom.is_some())
            .field("explain", &self.explain)
            .finish()
    }
}

/// How a client reads its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    /// The answer is a stream of server-sent events.
    EventStream,
}

impl Protocol {
    /// Returns the protocol of a request or of an answer with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let content = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let starts_with = |prefix: &[u8]| {
            content.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if starts_with(b"application/grpc") && !starts_with(b"application/grpc-web") {
            Protocol::Grpc
        } else if starts_with(b"text/event-stream") && !headers.contains_key(CONTENT_ENCODING) {
            // No event can be added to a compressed stream.
            Protocol::EventStream
        } else {
            Protocol::Http
        }
    }
}

/// The gRPC status codes with which cancelled requests are answered.
#[derive(Clone, Copy)]
enum GrpcStatus {
    Cancelled = 1,
    DeadlineExceeded = 4,
    Unavailable = 14,
}

impl Answers {
    /// Returns the response to a request that was cancelled before its head was sent.
    pub(crate) fn response(
        &self,
        cancelled: &Cancelled,
        request: Option<&Parts>,
        protocol: Protocol,
        registry: Option<&Registry>,
    ) -> Response<String> {
        if let (Some(custom), Some(request)) = (&self.custom, request) {
            return custom(cancelled, request);
        }
        if protocol == Protocol::Grpc {
            let mut response = Response::new(String::new());
            *response.headers_mut() = self.trailers(cancelled, registry);
            let content = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert(CONTENT_TYPE, content);
            return response;
        }
        let timed_out = matches!(cancelled.reason().root(), Reason::Timeout { .. });
        let status =
            if timed_out { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::SERVICE_UNAVAILABLE };
        let text = match (self.explain, status.canonical_reason()) {
            (true, _) => format!("{}\n", cancelled.reason()),
            (false, Some(reason)) => format!("{reason}\n"),
            (false, None) => String::new(),
        };
        let mut response = Response::new(text);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if !timed_out {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// Returns the trailers that end the answer of a gRPC request.
    pub(crate) fn trailers(&self, cancelled: &Cancelled, registry: Option<&Registry>) -> HeaderMap {
        let closing = registry.is_some_and(Registry::is_closed);
        let (status, text) = match cancelled.reason().root() {
            Reason::Timeout { .. } => (GrpcStatus::DeadlineExceeded, "deadline exceeded"),
            Reason::Signal { .. } => (GrpcStatus::Unavailable, "shutting down"),
            _ if closing => (GrpcStatus::Unavailable, "shutting down"),
            _ => (GrpcStatus::Cancelled, "cancelled"),
        };
        let message = match self.explain {
            true => percent_encoded(&cancelled.reason().to_string()),
            false => text.to_owned(),
        };
        let mut trailers = HeaderMap::with_capacity(2);
        let name = HeaderName::from_static;
        trailers.insert(name("grpc-status"), HeaderValue::from(status as u16));
        if let Ok(message) = HeaderValue::try_from(message) {
            trailers.insert(name("grpc-message"), message);
        }
        trailers
    }

    /// Returns the last event of a stream of server-sent events.
    pub(crate) fn event(&self, cancelled: &Cancelled) -> String {
        let text = match self.explain {
            true => cancelled.reason().to_string(),
            false => cancelled.kind().to_string(),
        };
        // A line break would end the field.
        let text = text.replace(['\r', '\n'], " ");
        // The last frame may have ended inside an event, so two line breaks end that event first. Between events they mean
        // nothing.
        format!("\n\nevent: cancelled\ndata: {text}\n\n")
    }
}

/// Writes a text as `grpc-message` requires: printable ASCII without `%`, all other bytes as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_printable_ascii() {
        assert_eq!(percent_encoded("100 % für\nalle"), "100 %25 f%C3%BCr%0Aalle");
    }

    #[test]
    fn protocol_by_content_type() {
        let of = |content: &'static str| {
            Protocol::of(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content))]))
        };
        assert_eq!(of("application/grpc"), Protocol::Grpc);
        assert_eq!(of("application/grpc+proto"), Protocol::Grpc);
        assert_eq!(of("application/grpc-web"), Protocol::Http);
        assert_eq!(of("text/event-stream; charset=utf-8"), Protocol::EventStream);
        assert_eq!(of("Application/GRPC+proto"), Protocol::Grpc);
        assert_eq!(of("Text/Event-Stream"), Protocol::EventStream);
        assert_eq!(of("text/html"), Protocol::Http);
        assert_eq!(Protocol::of(&HeaderMap::new()), Protocol::Http);
    }

    #[test]
    fn events_stay_in_one_field() {
        let answers = Answers { custom: None, explain: true };
        let event = answers.event(&Cancelled::new("a\nb"));
        assert_eq!(event, "\n\nevent: cancelled\ndata: cancelled: a b\n\n");
        let event = Answers::default().event(&Cancelled::new("a\nb"));
        assert_eq!(event, "\n\nevent: cancelled\ndata: manual\n\n");
    }
}
