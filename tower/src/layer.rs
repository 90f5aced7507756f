//! `OperationLayer`: the layer, and the methods that set what happens to each request.

use std::sync::Arc;
use std::time::Duration;

use cancelable::source::boxed;
use cancelable::{Cancelled, Operation, Registry, Source, Text};
use http::Response;
use http::request::Parts;
use tower_layer::Layer;

use crate::config::{Config, Task};
use crate::{Inbound, OperationService};

/// Turns each request into an operation with a name, a limit and an entry in a registry, and answers the request if it
/// is cancelled.
///
/// An operation begins when the service is called, and ends when the body of its response has ended. So the operation covers
/// a download or a stream of events to its last byte. When the operation is first polled, it calls the inner service. The
/// service runs inside the operation: there, [`Operation::current`] returns the operation, and shields, children and
/// progress reports work as in any other operation. The inner service must be `Clone`: each request takes the service that
/// is ready, and a clone replaces it for the next request.
///
/// # Which side wins
///
/// The limit and the other sources are checked before the service is called, and before each frame of the body. If a source
/// has fired by the first poll, the request is answered without calling the service. A frame that has been pulled from the
/// body is always sent. If the limit passes after the last frame, but before the server asks whether the body has ended, the
/// response is cancelled.
///
/// If a body of known length consists of one frame that is ready at once, this frame is pulled together with the head, and
/// the operation ends then. With any other body of known length, the operation ends with the last byte. Over HTTP/2,
/// trailers may follow that byte, so the operation lasts until the body has ended.
///
/// # Cancelled requests
///
/// If no part of the response has been sent, the client gets an [answer](Self::answer). Otherwise the end depends on the
/// protocol. A gRPC response ends with trailers that carry the status. A stream of server-sent events ends with an event
/// `cancelled`. Any other body ends with an error, so the server closes the connection or resets the stream. An event stream
/// with a `content-encoding` ends with an error, too, because no event can be added to a compressed stream.
///
/// # Dropped requests
///
/// A server drops the future of a request when its client has gone. The operation is then cancelled with the reason
/// [`Dropped`], or with [`Disconnected`] if the layer is the [outermost](Self::outermost) one.
///
/// [`Dropped`]: cancelable::Reason::Dropped
/// [`Disconnected`]: cancelable::Reason::Disconnected
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use cancelable::{Operation, Registry};
/// use cancelable_tower::OperationLayer;
/// use http::{Method, Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// let service = ServiceBuilder::new()
///     .layer(OperationLayer::new().limit(Duration::from_secs(30)).registered_in(&registry))
///     .service(service_fn(async |_request: Request<Full<Bytes>>| {
///         let operation = Operation::current().unwrap();
///         let name = operation.name().unwrap().to_owned();
///         Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(name))))
///     }));
///
/// let request = Request::get("/users").body(Full::default()).unwrap();
/// let response = service.oneshot(request).await.unwrap();
/// assert_eq!(response.status(), 200);
/// let body = response.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(body, "GET /users");
/// assert!(registry.is_empty());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct OperationLayer {
    config: Arc<Config>,
}

impl Default for OperationLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl OperationLayer {
    /// Creates a layer that turns each request into an operation, without a limit.
    ///
    /// The operation is named by the method and the path of the request, such as `GET /users/7`. With the feature
    /// `axum`, the route of axum takes the place of the path, as in `GET /users/{id}`, if a route has matched and the
    /// layer was added with `Router::layer` or `Router::route_layer`. A gRPC call keeps its path, which names the
    /// method. The operation has the metadata `status` once the response has begun.
    ///
    /// ```
    /// let layer = cancelable_tower::OperationLayer::new();
    /// # let _ = layer;
    /// ```
    pub fn new() -> Self {
        OperationLayer { config: Arc::default() }
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// Names each operation with a function of the head of its request. Statistics are grouped by this name. Use
    /// this method to group them by another name than the default one, which is the method and the path or route.
    ///
    /// Metrics are grouped only by names that are literals. They count every other name as `other`, and so the default
    /// name too. Return one of several literals if you need the metrics of each kind of request.
    ///
    /// ```
    /// let layer = cancelable_tower::OperationLayer::new().named_by(|head| {
    ///     // Without the identifiers in the path: `GET users`.
    ///     let area = head.uri.path().split('/').nth(1).unwrap_or_default();
    ///     format!("{} {area}", head.method)
    /// });
    /// # let _ = layer;
    ///
    /// let layer_with_metrics = cancelable_tower::OperationLayer::new().named_by(|head| {
    ///     if head.uri.path().starts_with("/users/") { "users" } else { "pages" }
    /// });
    /// # let _ = layer_with_metrics;
    /// ```
    pub fn named_by<T: Into<Text>>(
        self,
        name: impl Fn(&Parts) -> T + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.name = Some(Arc::new(move |head| name(head).into())))
    }

    /// Adds a metadata entry to each operation for which `value` returns `Some`. `value` gets the head of the request.
    ///
    /// ```
    /// let layer = cancelable_tower::OperationLayer::new()
    ///     .metadata("query", |head| head.uri.query().map(str::to_owned));
    /// # let _ = layer;
    /// ```
    pub fn metadata<T: Into<Text>>(
        self,
        key: impl Into<Text>,
        value: impl Fn(&Parts) -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        let key = key.into();
        self.with(|config| {
            config.metadata.push((key, Arc::new(move |head| value(head).map(Into::into))));
        })
    }

    /// Sets how long a request may take, to the end of the body of its response. Calling this again replaces the
    /// limit.
    ///
    /// ```
    /// use std::time::Duration;
    /// let layer = cancelable_tower::OperationLayer::new().limit(Duration::from_secs(30));
    /// # let _ = layer;
    /// ```
    pub fn limit(self, limit: Duration) -> Self {
        self.with(|config| config.limit = Some(limit))
    }

    /// Lets requests bring a time limit with them. The shortest limit counts, so a request never gets more than
    /// [`limit`](Self::limit). To read several headers, call this method several times.
    ///
    /// A request without any time left is answered as timed out, and the service is not called.
    ///
    /// ```
    /// use cancelable_tower::{Inbound, OperationLayer};
    /// let layer = OperationLayer::new().inbound(Inbound::grpc()).inbound(Inbound::connect());
    /// # let _ = layer;
    /// ```
    pub fn inbound(self, inbound: Inbound) -> Self {
        self.with(|config| config.inbound.push(inbound))
    }

    /// Adds a source to each request. The first source that fires cancels the request.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// use cancelable_tower::OperationLayer;
    ///
    /// let stop = CancellationToken::new();
    /// let layer = OperationLayer::new().source(move |_head| stop.clone());
    /// # let _ = layer;
    /// ```
    pub fn source<S>(self, source: impl Fn(&Parts) -> S + Send + Sync + 'static) -> Self
    where
        S: Source<Future: Send + 'static>,
    {
        self.with(|config| {
            config.sources.push(Arc::new(move |head| boxed(source(head))));
        })
    }

    /// Makes each request a child of `parent`, so that a request is cancelled when `parent` is. By default, a request
    /// is a child of the operation that the service is called in, if there is one.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable_tower::OperationLayer;
    ///
    /// let server = async {}.cancelable(never()).named("server");
    /// let layer = OperationLayer::new().child_of(&server.operation());
    /// # let _ = layer;
    /// ```
    pub fn child_of(self, parent: &Operation) -> Self {
        self.with(|config| config.parent = Some(parent.clone()))
    }

    /// Registers each request in the [global](Registry::global) registry.
    ///
    /// ```
    /// let layer = cancelable_tower::OperationLayer::new().registered();
    /// # let _ = layer;
    /// ```
    pub fn registered(self) -> Self {
        self.registered_in(Registry::global())
    }

    /// Registers each request in `registry`. Once the registry is closed, new requests are answered as cancelled, and
    /// the service is not called.
    ///
    /// ```
    /// let registry = cancelable::Registry::new();
    /// let layer = cancelable_tower::OperationLayer::new().registered_in(&registry);
    /// # let _ = layer;
    /// ```
    pub fn registered_in(self, registry: &Registry) -> Self {
        self.with(|config| {
            config.registry = Some(registry.clone());
            config.daemon = false;
        })
    }

    /// Registers each request in `registry` as a daemon, so that a shutdown cancels it last, once all other operations
    /// have ended. Use it for endpoints that show or serve the other operations, such as metrics, health and logs.
    ///
    /// ```
    /// let registry = cancelable::Registry::new();
    /// let layer = cancelable_tower::OperationLayer::new().daemon_in(&registry);
    /// # let _ = layer;
    /// ```
    pub fn daemon_in(self, registry: &Registry) -> Self {
        self.registered_in(registry).with(|config| config.daemon = true)
    }

    /// Gives each request a grace period: after a cancellation, the request may continue for up to `limit`, so that it
    /// can end by itself.
    ///
    /// ```
    /// use std::time::Duration;
    /// let layer = cancelable_tower::OperationLayer::new().grace(Duration::from_secs(1));
    /// # let _ = layer;
    /// ```
    pub fn grace(self, limit: Duration) -> Self {
        self.with(|config| config.grace = Some(limit))
    }

    /// Records dropped requests as [`Disconnected`](cancelable::Reason::Disconnected), with the metadata `status` 499. Use
    /// it for the outermost layer: only the server drops the futures and bodies of that layer, and the server does so when
    /// the client has left.
    ///
    /// By default, a dropped request is recorded as [`Dropped`](cancelable::Reason::Dropped), because a layer around this
    /// layer may have dropped it for another reason, such as a limit of its own.
    ///
    /// ```
    /// let layer = cancelable_tower::OperationLayer::new().outermost();
    /// # let _ = layer;
    /// ```
    pub fn outermost(self) -> Self {
        self.with(|config| config.outermost = true)
    }

    /// Lets shielded sections continue if the request is dropped. The spawner gets the rest of the request as a future.
    /// The request is cancelled, so this future ends as soon as no shield holds it.
    ///
    /// Without a spawner, a shielded section is dropped with the request. If the spawner panics, the section is
    /// dropped, too, and the panic is caught.
    ///
    /// ```
    /// let layer = cancelable_tower::OperationLayer::new().spawner(|rest| {
    ///     tokio::spawn(rest);
    /// });
    /// # let _ = layer;
    /// ```
    pub fn spawner(self, spawner: impl Fn(Task) + Send + Sync + 'static) -> Self {
        self.with(|config| config.spawner = Some(Arc::new(spawner)))
    }

    /// Sets the answer to requests that are cancelled before their response has begun.
    ///
    /// The default answer to a gRPC request has status 200 and, as `grpc-status`, 4 (deadline exceeded) after a
    /// timeout, 14 (unavailable) during a shutdown, and 1 (cancelled) otherwise. Any other request is answered with 504
    /// after a timeout and with 503 and `retry-after` otherwise.
    ///
    /// ```
    /// use cancelable_tower::OperationLayer;
    /// use http::Response;
    ///
    /// let layer = OperationLayer::new().answer(|cancelled, head| {
    ///     Response::builder().status(503).body(format!("{}: {cancelled}", head.uri)).unwrap()
    /// });
    /// # let _ = layer;
    /// ```
    pub fn answer(
        self,
        answer: impl Fn(&Cancelled, &Parts) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.answers.custom = Some(Arc::new(answer)))
    }

    /// Sends the text of the reason to clients: in the body of the default answer, in `grpc-message`, and in the event
    /// `cancelled`. By default, clients learn only the kind of the reason, because the text may say more than strangers
    /// should know.
    ///
    /// ```
    /// let layer = cancelable_tower::OperationLayer::new().explain();
    /// # let _ = layer;
    /// ```
    pub fn explain(self) -> Self {
        self.with(|config| config.answers.explain = true)
    }
}

impl<S> Layer<S> for OperationLayer {
    type Service = OperationService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OperationService::new(inner, self.config.clone())
    }
}
