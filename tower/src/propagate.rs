//! `PropagateLayer`: requests of a client carry the time that their operation has left, and end with it.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cancelable::source::BoxSource;
use cancelable::{Cancelable, CancelableExt, Cancelled, Operation, never};
use http::header::HeaderName;
use http::{HeaderMap, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::BoxError;
use crate::format::Format;

/// Writes the time limit of a request into a header, for the next hop.
///
/// ```
/// use cancelable_tower::{Outbound, PropagateLayer};
/// use std::time::Duration;
///
/// let outbound = Outbound::grpc().reserve(Duration::from_millis(5));
/// let layer = PropagateLayer::new(outbound);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct Outbound {
    format: Format,
    reserve: Duration,
}

impl Outbound {
    /// Writes `grpc-timeout`.
    ///
    /// ```
    /// let outbound = cancelable_tower::Outbound::grpc();
    /// # let _ = outbound;
    /// ```
    pub fn grpc() -> Self {
        Outbound { format: Format::Grpc, reserve: Duration::ZERO }
    }

    /// Writes `connect-timeout-ms` of the Connect protocol.
    ///
    /// ```
    /// let outbound = cancelable_tower::Outbound::connect();
    /// # let _ = outbound;
    /// ```
    pub fn connect() -> Self {
        Outbound { format: Format::connect(), reserve: Duration::ZERO }
    }

    /// Writes a whole number of milliseconds into a header of this name.
    ///
    /// ```
    /// use http::HeaderName;
    /// let outbound = cancelable_tower::Outbound::millis(HeaderName::from_static("x-request-timeout-ms"));
    /// # let _ = outbound;
    /// ```
    pub fn millis(name: HeaderName) -> Self {
        Outbound { format: Format::millis(name), reserve: Duration::ZERO }
    }

    /// Keeps `reserve` of the time for the way back and for what the caller still has to do. The header states
    /// the rest.
    ///
    /// ```
    /// use std::time::Duration;
    /// let outbound = cancelable_tower::Outbound::grpc().reserve(Duration::from_millis(20));
    /// # let _ = outbound;
    /// ```
    pub fn reserve(mut self, reserve: Duration) -> Self {
        self.reserve = reserve;
        self
    }

    /// Shortens the limit in `headers` to what `remaining` leaves. Returns `false` if nothing is left.
    fn shorten(&self, headers: &mut HeaderMap, remaining: Duration) -> bool {
        let name = self.format.name();
        let left = remaining.saturating_sub(self.reserve);
        let given =
            headers.get_all(&name).iter().filter_map(|value| self.format.parse(value)).min();
        if given.is_some_and(|given| given <= left) {
            return true;
        }
        match self.format.write(left) {
            Some(value) => {
                headers.insert(name, value);
                true
            }
            None => false,
        }
    }
}

#[derive(Debug)]
struct Config {
    outbound: Outbound,
    /// The hosts whose requests get the header. `None` stands for all.
    hosts: Option<Vec<String>>,
    detached: bool,
}

/// Lets the requests of a client carry the time that their operation has left, and ends them with it.
///
/// A request that is called inside an operation with a [deadline](Operation::deadline) gets a header with the time
/// that remains, less a [reserve](Outbound::reserve). If the request has that header already, the
/// shorter limit counts. Put this layer below any that repeats requests, so that each attempt gets the time that is left
/// then. A request outside any operation, or in one without a deadline, keeps its headers.
///
/// The call ends with the operation, and so does the body of its response, in whatever task they are polled.
///
/// # Errors
///
/// [`PropagateError`]: the error of the inner service, or a cancellation. If no time is left or the operation is
/// cancelled already, nothing is sent.
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
    config: Arc<Config>,
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

    /// Writes the header only into requests to these hosts. Requests to other hosts keep their headers; they still
    /// end with their operation.
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

/// A client whose requests end with their operation. [`PropagateLayer`] creates it.
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
        if let Err(refusal) = self.config.prepare(&operation, &mut request) {
            return PropagateFuture { state: State::Refused(Some(refusal)), operation: None };
        }
        let operation = (!self.config.detached).then_some(operation);
        PropagateFuture::calling(self.inner.call(request), operation)
    }
}

/// Why a request is not sent.
enum Refusal {
    Cancelled(Cancelled),
    NoTimeLeft,
}

impl Config {
    /// Writes the time that is left into the header.
    fn prepare<B>(&self, operation: &Operation, request: &mut Request<B>) -> Result<(), Refusal> {
        operation.check().map_err(Refusal::Cancelled)?;
        let Some(remaining) = operation.remaining() else { return Ok(()) };
        if !self.gets_header(request.uri(), request.headers()) {
            return if remaining.is_zero() { Err(Refusal::NoTimeLeft) } else { Ok(()) };
        }
        match self.outbound.shorten(request.headers_mut(), remaining) {
            true => Ok(()),
            false => Err(Refusal::NoTimeLeft),
        }
    }

    fn gets_header(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let header = || {
            let host = headers.get(http::header::HOST)?.to_str().ok()?;
            Some(host.rsplit_once(':').map_or(host, |(host, _port)| host))
        };
        let host = uri.host().or_else(header);
        host.is_some_and(|host| hosts.iter().any(|name| name.eq_ignore_ascii_case(host)))
    }
}

/// Returns a source that fires when the operation is cancelled.
fn end_of(operation: &Operation) -> BoxSource<'static> {
    let operation = operation.clone();
    Box::pin(async move { operation.cancelled().await })
}

/// The future of a call through [`Propagate`].
///
/// # Cancel safety
///
/// As for the future of the inner service.
///
/// # Errors
///
/// [`PropagateError`].
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct PropagateFuture<F> {
    #[pin]
    state: State<F>,
    /// The operation that the body of the response ends with.
    operation: Option<Operation>,
}

#[pin_project(project = StateProjection)]
enum State<F> {
    Refused(Option<Refusal>),
    Calling(#[pin] Cancelable<F, BoxSource<'static>>),
}

impl<F: Future> PropagateFuture<F> {
    fn calling(future: F, operation: Option<Operation>) -> Self {
        let source = match &operation {
            Some(operation) => end_of(operation),
            None => Box::pin(never()),
        };
        PropagateFuture { state: State::Calling(future.cancelable(source)), operation }
    }
}

impl<F, R, E> Future for PropagateFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<PropagateBody<R>>, PropagateError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let called = match this.state.project() {
            StateProjection::Refused(refusal) => {
                return Poll::Ready(Err(match refusal.take() {
                    Some(Refusal::Cancelled(cancelled)) => PropagateError::Cancelled(cancelled),
                    Some(Refusal::NoTimeLeft) => PropagateError::NoTimeLeft,
                    None => panic!("a call was polled after completion"),
                }));
            }
            StateProjection::Calling(call) => ready!(call.poll(cx)),
        };
        let response =
            called.map_err(PropagateError::Cancelled)?.map_err(PropagateError::Service)?;
        let end = this.operation.take().map(|operation| end_of(&operation));
        Poll::Ready(Ok(response.map(|body| PropagateBody { body: Some(body), end })))
    }
}

impl<F> fmt::Debug for PropagateFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PropagateFuture")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// The body of a response that ends with the operation of its request.
///
/// # Cancel safety
///
/// As for the inner body.
///
/// # Errors
///
/// The error of the inner body, or [`Cancelled`] if the operation is cancelled before the body has ended.
#[pin_project]
pub struct PropagateBody<B> {
    /// `None` once it was cancelled.
    #[pin]
    body: Option<B>,
    /// Fires when the operation is cancelled.
    end: Option<BoxSource<'static>>,
}

impl<B: Body<Error: Into<BoxError>>> Body for PropagateBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        // A frame that has arrived is handed out, even if the operation is cancelled by now.
        if let Poll::Ready(frame) = body.poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(end) = this.end else { return Poll::Pending };
        let reason = ready!(end.as_mut().poll(cx));
        *this.end = None;
        this.body.set(None);
        Poll::Ready(Some(Err(Cancelled::new(reason).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), B::size_hint)
    }
}

impl<B> fmt::Debug for PropagateBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = self.body.is_none();
        f.debug_struct("PropagateBody").field("cancelled", &cancelled).finish_non_exhaustive()
    }
}

/// Why a call through [`Propagate`] failed.
///
/// ```
/// use cancelable::Cancelled;
/// use cancelable_tower::PropagateError;
/// use std::io;
///
/// let error = PropagateError::<io::Error>::Cancelled(Cancelled::new("stop"));
/// assert_eq!(error.to_string(), "cancelled: stop");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PropagateError<E> {
    /// The inner service failed.
    Service(E),
    /// The operation of the request was cancelled.
    Cancelled(Cancelled),
    /// The operation had less time left than the header can state after the
    /// [reserve](Outbound::reserve), so the request was not sent.
    NoTimeLeft,
}

impl<E: fmt::Display> fmt::Display for PropagateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropagateError::Service(error) => error.fmt(f),
            PropagateError::Cancelled(cancelled) => cancelled.fmt(f),
            PropagateError::NoTimeLeft => f.write_str("not sent: the operation has no time left"),
        }
    }
}

impl<E: Error + 'static> Error for PropagateError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PropagateError::Service(error) => error.source(),
            PropagateError::Cancelled(cancelled) => cancelled.source(),
            PropagateError::NoTimeLeft => None,
        }
    }
}
