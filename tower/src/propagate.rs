//! `PropagateLayer`: a client's requests state the time that their operation has left, and are cancelled with that
//! operation.

use std::sync::Arc;
use std::task::{Context, Poll};

use cancelable::Operation;
use http::uri::Authority;
use http::{HeaderMap, Request, Response, header};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::call::{PropagateBody, PropagateError, PropagateFuture, Refusal};
use crate::{BoxError, Outbound};

#[derive(Debug)]
pub(crate) struct Config {
    outbound: Outbound,
    /// The hosts whose requests get the header. `None` means all hosts.
    hosts: Option<Vec<String>>,
    detached: bool,
}

/// Adds a header to each request, with the time that the current operation has left. If the operation is cancelled, so is the
/// request.
///
/// A request that is made inside an operation with a [deadline](Operation::deadline) gets a header with the time that
/// remains, less a [reserve](Outbound::reserve). If the request already has that header, the shorter limit counts. Put this
/// layer below any layer that repeats requests, so that each attempt gets the time that is left when it starts. A request
/// outside any operation, or in one without a deadline, keeps its headers.
///
/// If the operation is cancelled, the call fails, and so does the body of its response, whichever task polls them.
///
/// # Errors
///
/// [`PropagateError`]: the error of the inner service, or a cancellation. If no time is left, or the operation is already
/// cancelled, nothing is sent.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use cancelable::prelude::*;
/// use cancelable_tower::{Outbound, PropagateLayer};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # smol::block_on(async {
/// let client = ServiceBuilder::new()
///     .layer(PropagateLayer::new(Outbound::grpc()))
///     .service(service_fn(async |request: Request<Full<Bytes>>| {
///         assert!(request.headers().contains_key("grpc-timeout"));
///         Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
///     }));
///
/// let request = Request::new(Full::default());
/// let called = client.oneshot(request).cancelable(timeout(Duration::from_secs(1))).named("call");
/// assert_eq!(called.await?.unwrap().status(), 200);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct PropagateLayer {
    pub(crate) config: Arc<Config>,
}

impl PropagateLayer {
    /// Creates a layer that writes the header of `outbound` into the requests to every host.
    ///
    /// ```
    /// use cancelable_tower::{Outbound, PropagateLayer};
    /// let layer = PropagateLayer::new(Outbound::grpc());
    /// # let _ = layer;
    /// ```
    pub fn new(outbound: Outbound) -> Self {
        PropagateLayer { config: Arc::new(Config { outbound, hosts: None, detached: false }) }
    }

    fn with(self, change: impl FnOnce(&mut Config)) -> Self {
        let Config { outbound, hosts, detached } = &*self.config;
        let mut config =
            Config { outbound: outbound.clone(), hosts: hosts.clone(), detached: *detached };
        change(&mut config);
        PropagateLayer { config: Arc::new(config) }
    }

    /// Writes the header only into requests to these hosts. Requests to other hosts keep their headers, but are still
    /// cancelled with their operation.
    ///
    /// Only the name of the host is compared, without the scheme and the port. If the client follows a redirect below
    /// this layer, the request to the new host carries the header, too. reqwest follows redirects below its middleware.
    /// Turn redirects off if another host must not learn the time limit.
    ///
    /// ```
    /// use cancelable_tower::{Outbound, PropagateLayer};
    /// let layer = PropagateLayer::new(Outbound::grpc()).only_to(["users.internal", "mail.internal"]);
    /// # let _ = layer;
    /// ```
    pub fn only_to<H: Into<String>>(self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.with(|config| config.hosts = Some(hosts.into_iter().map(Into::into).collect()))
    }

    /// Lets requests and the bodies of their responses continue after their operation was cancelled. They still
    /// get the header, and are still refused if no time is left.
    ///
    /// ```
    /// use cancelable_tower::{Outbound, PropagateLayer};
    /// let layer = PropagateLayer::new(Outbound::grpc()).detach();
    /// # let _ = layer;
    /// ```
    pub fn detach(self) -> Self {
        self.with(|config| config.detached = true)
    }
}

impl<S> Layer<S> for PropagateLayer {
    type Service = Propagate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Propagate { inner, config: self.config.clone() }
    }
}

/// A client whose requests are cancelled with their operation. [`PropagateLayer`] creates it.
#[derive(Clone, Debug)]
pub struct Propagate<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S, B, R> Service<Request<B>> for Propagate<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<PropagateBody<R>>;
    type Error = PropagateError<S::Error>;
    type Future = PropagateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(PropagateError::Service)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(operation) = Operation::current() else {
            return PropagateFuture::calling(self.inner.call(request), None);
        };
        let gets_header = self.config.names(request.uri().host(), request.headers());
        if let Err(refusal) = self.config.prepare(&operation, gets_header, request.headers_mut()) {
            return PropagateFuture::refused(refusal);
        }
        let operation = self.config.ends(operation);
        PropagateFuture::calling(self.inner.call(request), operation)
    }
}

impl Config {
    /// Writes the time that is left into the header, or refuses the request if no time is left.
    pub(crate) fn prepare(
        &self,
        operation: &Operation,
        gets_header: bool,
        headers: &mut HeaderMap,
    ) -> Result<(), Refusal> {
        operation.check().map_err(Refusal::Cancelled)?;
        let Some(remaining) = operation.remaining() else { return Ok(()) };
        let is_sent = match gets_header {
            true => self.outbound.shorten(headers, remaining),
            false => !remaining.is_zero(),
        };
        if is_sent { Ok(()) } else { Err(Refusal::NoTimeLeft) }
    }

    /// Returns the operation whose cancellation ends the request, or `None` if requests are detached.
    pub(crate) fn ends(&self, operation: Operation) -> Option<Operation> {
        (!self.detached).then_some(operation)
    }

    /// Returns whether requests to this host get the header. If the URI has no host, the header `host` names the host.
    pub(crate) fn names(&self, host: Option<&str>, headers: &HeaderMap) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let is_named = |host: &str| hosts.iter().any(|name| name.eq_ignore_ascii_case(host));
        match host {
            Some(host) => is_named(host),
            None => {
                let header = headers.get(header::HOST).map(|host| host.as_bytes());
                let host = header.and_then(|host| Authority::try_from(host).ok());
                host.is_some_and(|host| is_named(host.host()))
            }
        }
    }
}
