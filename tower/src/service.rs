//! `OperationService`: each request becomes an operation.

use std::fmt::Display;
use std::sync::Arc;
use std::task::{Context, Poll};

use cancelable::CancelableStreamExt;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::answer::Protocol;
use crate::config::Config;
use crate::exchange::Exchange;
use crate::running::Running;
use crate::{BoxError, ResponseFuture};

/// A service that runs each request as an operation. [`OperationLayer`](crate::OperationLayer) creates it.
#[derive(Clone, Debug)]
pub struct OperationService<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> OperationService<S> {
    pub(crate) fn new(inner: S, config: Arc<Config>) -> Self {
        OperationService { inner, config }
    }
}

impl<S, B, R> Service<Request<B>> for OperationService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Display + Send + 'static,
    B: Send + 'static,
    R: Body + Send + 'static,
    R::Data: From<String> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<crate::ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let config = &self.config;
        let (head, body) = request.into_parts();
        let name = config.name_of(&head);
        let metadata = config.metadata_of(&head);
        let limit = config.limit_of(&head);
        let source = config.source_of(&head, limit);
        let protocol = Protocol::of(&head.headers);
        let head_only = head.method == Method::HEAD;
        let kept = config.answers.custom.is_some().then(|| Box::new(head.clone()));
        // Only the service that was polled is known to be ready, so it serves this request. The clone takes its place and is
        // polled before the next request.
        let next = self.inner.clone();
        let mut service = std::mem::replace(&mut self.inner, next);
        let version = head.version;
        let call = move || service.call(Request::from_parts(head, body));
        let exchange = Exchange::new(head_only, version, call);
        let mut pieces = exchange.try_cancelable_stream(source).named(name);
        for (key, value) in metadata {
            pieces = pieces.metadata(key, value);
        }
        if let Some(parent) = &config.parent {
            pieces = pieces.child_of(parent);
        }
        if let Some(grace) = config.grace {
            pieces = pieces.grace(grace);
        }
        if let Some(registry) = &config.registry {
            pieces = match config.daemon {
                true => pieces.daemon_in(registry),
                false => pieces.registered_in(registry),
            };
        }
        let operation = pieces.operation();
        let running =
            Running::new(Box::pin(pieces), operation, config.clone(), protocol, head_only, kept);
        ResponseFuture::new(running)
    }
}
