//! `OperationService`: each request becomes an operation.

use std::fmt::Display;
use std::sync::Arc;
use std::task::{Context, Poll};

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
        let (head, body) = request.into_parts();
        let start = self.config.start_of(&head);
        let protocol = Protocol::of(&head.headers);
        let head_only = head.method == Method::HEAD;
        let kept = self.config.answers.custom.is_some().then(|| Box::new(head.clone()));
        // Only the service that was polled is known to be ready, so it serves this request. The clone takes its place and is
        // polled before the next request.
        let next = self.inner.clone();
        let mut service = std::mem::replace(&mut self.inner, next);
        let version = head.version;
        let call = move || service.call(Request::from_parts(head, body));
        let exchange = Box::pin(Exchange::new(head_only, version, call));
        let config = self.config.clone();
        let running = Running::new(exchange, start, config, protocol, head_only, kept);
        ResponseFuture::new(running)
    }
}
